"""What a pause, a cancellation, a retry, a fork or a migration makes of a state. Total and silent, like `evolve`."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias, assert_never

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine.blueprint import BlueprintInvalid, compile_blueprint
from cerebelum_engine.moves import reopened
from cerebelum_engine.state import State
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.worker.worker_service_pb import ExecutionState

LifecycleFact: TypeAlias = (
    ev.ExecutionPaused
    | ev.ExecutionResumed
    | ev.CancellationRequested
    | ev.ExecutionRetried
    | ev.ExecutionForked
    | ev.ExecutionMigrated
)


def turned(state: State, fact: LifecycleFact, at: Timestamp) -> State:
    """The state after a fact about the whole execution."""
    match fact:
        case ev.ExecutionPaused():
            return replace(state, paused=fact, paused_at=at)
        case ev.ExecutionResumed():
            return replace(state, paused=None, paused_at=None)
        case ev.CancellationRequested():
            return replace(state, cancelling=fact)
        case ev.ExecutionRetried(deadline=deadline):
            return _reopened(replace(state, deadline=deadline), at)
        case ev.ExecutionForked(deadline=deadline):
            return _reopened(replace(state, deadline=deadline, forked=fact), at)
        case ev.ExecutionMigrated():
            return _migrated(state, fact)
        case _:
            assert_never(fact)


def _reopened(state: State, at: Timestamp) -> State:
    """It runs again, and what failed begins anew: a fresh visit, which remembers no marker of the failed one."""
    running = replace(
        state,
        status=ExecutionState.EXECUTION_RUNNING,
        ended_at=None,
        paused=None,
        paused_at=None,
        failed_step="",
        failure=None,
    )
    return reopened(running, at)


def _migrated(state: State, fact: ev.ExecutionMigrated) -> State:
    try:
        return state if fact.blueprint is None else replace(state, blueprint=compile_blueprint(fact.blueprint))
    except BlueprintInvalid:
        return state
