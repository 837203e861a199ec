"""`pending`: the work still owed. It derives from the state, so start, crash and restart are one path."""

from __future__ import annotations

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine.effects import OFFER, ArmTimer, AwaitApproval, AwaitSignal, DispatchTask, Effect, Handout
from cerebelum_engine.phase import READY
from cerebelum_engine.state import State
from cerebelum_engine.times import after
from cerebelum_engine.visit import StepState, step_of, task_id
from cerebelum_proto.events.v1.events_pb import ApprovalRequested, CancellationRequested, SignalAwaited


def pending(state: State) -> tuple[Effect, ...]:
    """Every effect that this state owes, in the order in which their steps were entered; none once it has ended."""
    if not state.running:
        return ()
    return tuple(_owed(state) if state.cancelling is None else _cleanup(state, state.cancelling))


def next_timer(state: State) -> Timestamp | None:
    """The earliest instant at which `FireTimers` will find something due."""
    return earliest_timer(pending(state))


def owed_tasks(state: State) -> tuple[DispatchTask, ...]:
    """The tasks that a worker is owed, or has; their `handout` says which of it."""
    return tasks_among(pending(state))


def holder(state: State, wanted: str) -> str | None:
    """The step that owes this very task now."""
    if not state.running:
        return None
    name = step_of(wanted, state.execution_id)
    step = state.steps.get(name)
    owing = state.open if state.cancelling is None else state.cancelling.steps
    if step is None or name not in owing:
        return None
    owed = step.phase is READY and task_id(state.execution_id, name, step) == wanted
    return name if owed else None


def earliest_timer(effects: tuple[Effect, ...]) -> Timestamp | None:
    """The earliest timer among effects."""
    timers = [effect.due_at for effect in effects if isinstance(effect, ArmTimer)]
    return min(timers, key=Timestamp.to_ns) if timers else None


def tasks_among(effects: tuple[Effect, ...]) -> tuple[DispatchTask, ...]:
    """The tasks among effects."""
    return tuple([effect for effect in effects if isinstance(effect, DispatchTask)])


def _owed(state: State) -> list[Effect]:
    effects: list[Effect] = []
    if state.deadline is not None:
        effects.append(ArmTimer(due_at=state.deadline))
    for name in state.open:
        step = state.steps[name]
        if step.phase is READY:
            effects.append(dispatch(state, name, step, offered(state)))
        if step.due_at is not None:
            effects.append(ArmTimer(due_at=step.due_at, step=name))
        if isinstance(step.waiting_for, ApprovalRequested):
            effects.append(AwaitApproval(step=name, approval_type=step.waiting_for.approval_type))
        elif isinstance(step.waiting_for, SignalAwaited):
            effects.append(AwaitSignal(step=name, name=step.waiting_for.name))
    return effects


def _cleanup(state: State, asked: CancellationRequested) -> list[Effect]:
    """While it is being cancelled, only the answers of those that were told to stop are waited for."""
    effects: list[Effect] = []
    if asked.cleanup_until is not None:
        effects.append(ArmTimer(due_at=asked.cleanup_until))
    told = [(name, state.steps[name]) for name in asked.steps]
    effects += [dispatch(state, name, step, Handout.STOP) for name, step in told if step.phase is READY]
    return effects


def offered(state: State) -> Handout:
    """What is to become of the tasks of an execution that goes on."""
    return Handout.KEEP if state.paused else OFFER


def dispatch(state: State, name: str, step: StepState, handout: Handout) -> DispatchTask:
    """The task of a step that owes one, in its last visit."""
    spec = state.blueprint.steps[name]
    limited = spec.schedule_to_start_ms and handout is OFFER
    return DispatchTask(
        task_id=task_id(state.execution_id, name, step),
        step=name,
        queue=state.queue_of(name),
        last_worker_id=step.last_worker_id,
        handout=handout,
        unclaimed_at=after(step.ready_at, spec.schedule_to_start_ms) if limited else None,
        start_to_close_ms=spec.start_to_close_ms,
        heartbeat_timeout_ms=spec.heartbeat_timeout_ms,
    )
