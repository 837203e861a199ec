"""What a pause, a cancellation, a retry, a fork or a migration makes of a state. Total and silent, like `evolve`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TypeAlias, assert_never

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine.blueprint import BlueprintInvalid, compile_blueprint
from cerebelum_engine.moves import reopen
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


def turn(state: State, fact: LifecycleFact, at: Timestamp) -> None:
    """Make of a state what a fact about the whole execution makes of it. It is the caller's own copy."""
    match fact:
        case ev.ExecutionPaused():
            state.paused, state.paused_at = fact, at
        case ev.ExecutionResumed():
            state.paused, state.paused_at = None, None
        case ev.CancellationRequested():
            state.cancelling = fact
        case ev.ExecutionRetried(deadline=deadline, cut_off=steps):
            state.deadline = deadline
            _reopen(state, at)
            _try_anew(state, steps)
        case ev.ExecutionForked(deadline=deadline):
            state.deadline, state.forked = deadline, fact
            _reopen(state, at)
        case ev.ExecutionMigrated():
            _migrate(state, fact)
        case _:
            assert_never(fact)


def _reopen(state: State, at: Timestamp) -> None:
    """It runs again, and what failed begins anew: a fresh visit, which remembers no marker of the failed one."""
    state.status = ExecutionState.EXECUTION_RUNNING
    state.ended_at = state.paused = state.paused_at = None
    state.failed_step, state.failure = "", None
    state.steps = state.steps.copied()
    reopen(state, at)


def _try_anew(state: State, steps: Sequence[str]) -> None:
    """Another try of each of these begins. Nobody is to blame that the former one came to nothing."""
    for name in steps:
        before = state.steps.get(name)
        if before is not None and before.phase.open:
            visit = before.copied()
            visit.losses, visit.forgiven = visit.losses + 1, visit.forgiven + 1
            state.steps.put(name, visit)


def _migrate(state: State, fact: ev.ExecutionMigrated) -> None:
    if fact.blueprint is not None:
        with suppress(BlueprintInvalid):
            state.blueprint = compile_blueprint(fact.blueprint)
