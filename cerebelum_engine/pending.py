"""`pending`: the work still owed. It derives from the state, so start, crash and restart are one path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine.effects import ArmTimer, AwaitApproval, DispatchTask, Effect
from cerebelum_engine.state import Phase, State, StepState, task_id
from cerebelum_proto.events.v1.events_pb import ApprovalRequested


def pending(state: State) -> tuple[Effect, ...]:
    """Every effect that this state owes, in the order of the timeline; none once it has ended."""
    if not state.running:
        return ()
    return tuple(_owed(state))


def next_timer(state: State) -> Timestamp | None:
    """The earliest instant at which `FireTimers` will find something due."""
    return earliest_timer(pending(state))


def owed_tasks(state: State) -> tuple[DispatchTask, ...]:
    """The tasks that a worker is owed, or has."""
    return tasks_among(pending(state))


def earliest_timer(effects: Iterable[Effect]) -> Timestamp | None:
    """The earliest timer among effects."""
    return min((effect.due_at for effect in effects if isinstance(effect, ArmTimer)), default=None)


def tasks_among(effects: Iterable[Effect]) -> tuple[DispatchTask, ...]:
    """The tasks among effects."""
    return tuple(effect for effect in effects if isinstance(effect, DispatchTask))


def _owed(state: State) -> Iterator[Effect]:
    if state.deadline is not None:
        yield ArmTimer(due_at=state.deadline)
    for name in state.stage_steps:
        step = state.steps[name]
        if step.phase is Phase.READY:
            yield DispatchTask(
                task_id=task_id(state.execution_id, name, step),
                step=name,
                last_worker_id=step.last_worker_id or _worker_before(state),
            )
        yield from _waits(name, step)


def _waits(name: str, step: StepState) -> Iterator[Effect]:
    if step.phase.closed:
        return
    if step.due_at is not None:
        yield ArmTimer(due_at=step.due_at, step=name)
    if isinstance(step.waiting_for, ApprovalRequested):
        yield AwaitApproval(step=name, approval_type=step.waiting_for.approval_type)


def _worker_before(state: State) -> str:
    """Who ran the stage before: its memory may still be warm."""
    if state.stage == 0:
        return ""
    return state.steps[state.blueprint.stages[state.stage - 1][-1]].last_worker_id
