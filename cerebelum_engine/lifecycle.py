"""What people may ask of a whole execution: pause, cancel, redrive, retry, fork, migrate. Like `decide`, it argues."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias, assert_never

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine import commands as cmd
from cerebelum_engine.blueprint import compile_blueprint, hash_of
from cerebelum_engine.commands import Reason, Rejected
from cerebelum_engine.evolve import evolve, reconstruct
from cerebelum_engine.migration import disagreements
from cerebelum_engine.moves import failed_steps
from cerebelum_engine.phase import Phase
from cerebelum_engine.state import State
from cerebelum_engine.times import after, milliseconds_between
from cerebelum_engine.validation import validate
from cerebelum_engine.visit import task_id
from cerebelum_proto.events.v1 import events_pb as ev

DEFAULT_CLEANUP_MS = 30_000
"""How long running steps may clean up when the execution is cancelled."""

Facts: TypeAlias = Sequence[ev.Event_Fact] | Rejected
Steering: TypeAlias = cmd.Cancel | cmd.Terminate | cmd.Pause | cmd.Resume | cmd.Redrive | cmd.Migrate


def steer(state: State, command: Steering, now: Timestamp) -> Facts:
    """What a wish about a running execution leads to."""
    match command:
        case cmd.Terminate(reason=reason, terminated_by=who):
            return (ev.ExecutionCancelled(reason=reason, cancelled_by=who, forced=True),)
        case cmd.Cancel():
            return _cancel(state, command, now)
        case _ if state.cancelling is not None:
            return Rejected(Reason.CANCELLING, f"execution {state.execution_id!r} is being cancelled")
        case cmd.Pause(reason=reason, paused_by=who):
            return () if state.paused else (ev.ExecutionPaused(reason=reason, paused_by=who),)
        case cmd.Resume(resumed_by=who):
            return _resume(state, who)
        case cmd.Redrive():
            return _redrive(state, command)
        case cmd.Migrate():
            return _migrate(state, command)
        case _:
            assert_never(command)


def _cancel(state: State, command: cmd.Cancel, now: Timestamp) -> Facts:
    """Wait for the steps that workers have; end at once when there are none."""
    if state.cancelling is not None:
        return ()
    if command.cleanup_ms < 0:
        return Rejected(Reason.INVALID, f"cleanup_ms is {command.cleanup_ms}; it cannot be negative")
    running = [
        name
        for name, step in state.steps.items()
        if step.phase is Phase.READY and task_id(state.execution_id, name, step) in command.in_hand
    ]
    if not running:
        return (ev.ExecutionCancelled(reason=command.reason, cancelled_by=command.cancelled_by),)
    return (
        ev.CancellationRequested(
            reason=command.reason,
            cancelled_by=command.cancelled_by,
            steps=running,
            cleanup_until=after(now, command.cleanup_ms or DEFAULT_CLEANUP_MS),
        ),
    )


def cancelled(state: State) -> ev.ExecutionCancelled | None:
    """The end of a cancellation, once every step that was told to stop has answered."""
    asked = state.cancelling
    if asked is None or not all(state.steps[name].phase.closed for name in asked.steps):
        return None
    return ev.ExecutionCancelled(reason=asked.reason, cancelled_by=asked.cancelled_by)


def clean_up_over(state: State, now: Timestamp) -> Facts:
    """The end of a cancellation whose steps did not answer in time."""
    asked = state.cancelling
    if asked is None or asked.cleanup_until is None or asked.cleanup_until > now:
        return Rejected(Reason.NOT_DUE, "no timer of this execution is due")
    return (ev.ExecutionCancelled(reason=asked.reason, cancelled_by=asked.cancelled_by),)


def _resume(state: State, who: str) -> Facts:
    if state.paused is None:
        return Rejected(Reason.NOT_PAUSED, f"execution {state.execution_id!r} is not paused")
    return (ev.ExecutionResumed(resumed_by=who),)


def _redrive(state: State, command: cmd.Redrive) -> Facts:
    dead = [name for name, step in state.steps.items() if step.phase is Phase.DEAD_LETTERED]
    named = [name for name in dead if command.step in ("", name)]
    if not named:
        what = f"step {command.step!r}" if command.step else f"execution {state.execution_id!r}"
        return Rejected(Reason.NOT_DEAD_LETTERED, f"{what} is no dead letter: there is nothing to redrive")
    return tuple(ev.StepRedriven(step=name, redriven_by=command.redriven_by) for name in named)


def retry(state: State, command: cmd.Retry, now: Timestamp) -> Facts:
    """Let a failed execution go on with its failed steps, or with what it waited for when its deadline came."""
    if state.failure is None or not state.failed:
        return Rejected(Reason.NOT_FAILED, f"execution {state.execution_id!r} has not failed: only failed ones retry")
    steps = failed_steps(state)
    if not steps and state.failure.kind != "deadline_exceeded":
        return Rejected(
            Reason.NOT_FAILED,
            f"execution {state.execution_id!r} failed by its own rules, no step of it did: fork it from a step",
        )
    return (
        ev.ExecutionRetried(
            retried_by=command.retried_by,
            steps=steps,
            deadline=_deadline_anew(state, now),
            cut_off=[name for name in state.open if state.steps[name].phase is Phase.READY],
        ),
    )


def fork(state: State, command: cmd.Fork, now: Timestamp) -> Sequence[ev.Event] | Rejected:
    """The history that a new execution begins with: that of its origin until the step had its say."""
    if state.started is not None:
        return _forked_before(state, command)
    step = command.step or reconstruct(state, command.history).failed_step
    version = _version_before(state, command.history, step)
    if version is None:
        what = f"step {step!r} has not begun in" if step else "no step failed in"
        return Rejected(Reason.INVALID, f"{what} execution {command.origin!r}: name one that has begun")
    inherited = [event for event in command.history[:version] if not isinstance(event.fact, _NOT_INHERITED)]
    events = [
        replace(event, execution_id=command.execution_id, version=number)
        for number, event in enumerate(inherited, start=1)
    ]
    parent = reconstruct(state, events)
    forked = ev.ExecutionForked(
        origin=command.origin,
        version=version,
        step=step,
        forked_by=command.forked_by,
        deadline=_deadline_anew(parent, now),
    )
    last = ev.Event(execution_id=command.execution_id, version=len(events) + 1, recorded_at=now, fact=forked)
    return (*events, last)


_NOT_INHERITED = (ev.ExecutionPaused, ev.ExecutionResumed)


def _forked_before(state: State, command: cmd.Fork) -> Sequence[ev.Event] | Rejected:
    if state.forked is not None and (state.forked.origin, state.forked.step) == (
        command.origin,
        command.step or state.forked.step,
    ):
        return ()
    return Rejected(
        Reason.ALREADY_EXISTS, f"execution {command.execution_id!r} exists and is another one: choose another id"
    )


def _version_before(state: State, history: Iterable[ev.Event], step: str) -> int | None:
    """The last version at which the step was entered and had recorded nothing; None when it never was."""
    version = None
    for event in history:
        state = evolve(state, event)
        found = state.steps.get(step)
        if found is not None and found.untouched and state.running and state.cancelling is None:
            version = event.version
    return version


def _deadline_anew(state: State, now: Timestamp) -> Timestamp | None:
    """As much time as it had at its start."""
    if state.started is None or state.started.deadline is None or state.started_at is None:
        return None
    return after(now, milliseconds_between(state.started_at, state.started.deadline))


def _migrate(state: State, command: cmd.Migrate) -> Facts:
    digest = hash_of(command.blueprint)
    if digest == state.blueprint.hash:
        return ()
    if len(command.history) != state.version:
        return Rejected(Reason.STALE, f"execution {state.execution_id!r} has moved on meanwhile: try again")
    faults = validate(command.blueprint).errors or tuple(
        disagreements(state, command.history, compile_blueprint(command.blueprint))
    )
    if faults:
        return Rejected(
            Reason.DISAGREES,
            f"execution {state.execution_id!r} cannot move to blueprint {digest}: " + "; ".join(faults),
        )
    return (ev.ExecutionMigrated(blueprint_hash=digest, blueprint=command.blueprint, migrated_by=command.migrated_by),)
