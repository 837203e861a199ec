"""What a worker's answer, or its silence, means. A step's result is recorded exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine import commands as cmd
from cerebelum_engine.commands import Reason, Rejected
from cerebelum_engine.pending import holder
from cerebelum_engine.policies import MAX_LOSSES, is_final, pause_ms
from cerebelum_engine.signals import wait
from cerebelum_engine.state import State
from cerebelum_engine.times import after
from cerebelum_engine.visit import StepState, step_of
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.types.v1.types_pb import Failure, Payload
from cerebelum_proto.worker.worker_service_pb import ApprovalDecision, ApprovalRequest, SignalRequest, SleepRequest

CANCELLED = "cancelled"
"""The kind of failure of a step that stopped because it was told to."""


def record(state: State, command: cmd.RecordResult, now: Timestamp) -> Sequence[ev.Event_Fact] | Rejected:
    """The facts of a task's outcome, or why it no longer counts."""
    name = holder(state, command.task_id)
    if name is None:
        return _too_late(state, command.task_id)
    match command.outcome:
        case cmd.Completed(output=output):
            return (_completed(name, command, output),)
        case _ if state.cancelling is not None:
            return (_cleaned_up(name, command),)
        case cmd.Failed(failure=failure):
            return (_failed(state, name, command, failure, now),)
        case cmd.Suspended() as suspended:
            return (_suspended(state, name, command, suspended, now),)
        case _:
            assert_never(command.outcome)


def record_loss(state: State, command: cmd.LoseTask) -> Sequence[ev.Event_Fact] | Rejected:
    """The fact that a task's worker is gone, unless the task has moved on."""
    name = holder(state, command.task_id)
    if name is None:
        return Rejected(Reason.STALE, "the task has moved on")
    task, worker, step = command.task_id, command.worker_id, state.steps[name]
    if state.cancelling is not None:
        return (
            ev.StepCancelled(
                step=name,
                task_id=task,
                worker_id=worker,
                failure=Failure(kind="worker_lost", message=command.reason),
            ),
        )
    if step.losses - step.forgiven + 1 < MAX_LOSSES:
        return (ev.AttemptLost(step=name, task_id=task, worker_id=worker, reason=command.reason),)
    failure = Failure(
        kind="worker_lost",
        message=f"{MAX_LOSSES} workers in a row fell silent while they ran it, the last: {command.reason}",
    )
    return (ev.StepDeadLettered(step=name, task_id=task, worker_id=worker, failure=failure),)


def record_timeout(state: State, command: cmd.TimeOutTask, now: Timestamp) -> Sequence[ev.Event_Fact] | Rejected:
    """The fact that a task came up against a limit, unless it has moved on."""
    name = holder(state, command.task_id)
    if name is None:
        return Rejected(Reason.STALE, "the task has moved on")
    spec = state.blueprint.steps[name]
    match command.limit:
        case cmd.Limit.START_TO_CLOSE:
            message, final = f"a worker has had it for longer than {spec.start_to_close_ms} ms", False
        case cmd.Limit.HEARTBEAT:
            message, final = f"a worker gave no sign of life of it for {spec.heartbeat_timeout_ms} ms", False
        case cmd.Limit.SCHEDULE_TO_START:
            message = f"no worker of queue {state.queue_of(name)!r} took it within {spec.schedule_to_start_ms} ms"
            final = True
        case _:
            assert_never(command.limit)
    failure = Failure(kind=command.limit.value, message=message, non_retryable=final)
    outcome = cmd.Failed(failure=failure)
    return record(state, cmd.RecordResult(task_id=command.task_id, worker_id=command.worker_id, outcome=outcome), now)


def record_memo(state: State, command: cmd.RecordMemo) -> Sequence[ev.Event_Fact] | Rejected:
    """The fact that a running step keeps a value; none when it has kept one under this key before."""
    name = holder(state, command.task_id)
    if name is None:
        return Rejected(Reason.STALE, f"task {command.task_id!r} has moved on; nothing was kept")
    if command.key in state.steps[name].memos:
        return ()
    return (
        ev.MemoRecorded(
            step=name, task_id=command.task_id, worker_id=command.worker_id, key=command.key, value=command.value
        ),
    )


def memo_of(state: State, task_id: str, key: str) -> Payload | None:
    """What the step of a task has kept under a key."""
    name = holder(state, task_id)
    return state.steps[name].memos.get(key) if name is not None else None


def _too_late(state: State, wanted: str) -> Rejected:
    step = state.steps.get(step_of(wanted, state.execution_id))
    if step is not None and step.last_task_id == wanted:
        return Rejected(Reason.DUPLICATE, f"the result of task {wanted!r} is recorded already")
    return Rejected(Reason.STALE, f"task {wanted!r} has moved on; this result changed nothing")


def _completed(name: str, command: cmd.RecordResult, output: Payload) -> ev.StepCompleted:
    return ev.StepCompleted(
        step=name,
        task_id=command.task_id,
        worker_id=command.worker_id,
        started_at=command.started_at,
        output=output,
    )


def _failed(
    state: State, name: str, command: cmd.RecordResult, failure: Failure, now: Timestamp
) -> ev.StepFailed | ev.AttemptFailed:
    policy = state.retry_of(name)
    failures = state.steps[name].failures + 1
    if is_final(policy, failure, failures):
        return ev.StepFailed(
            step=name,
            task_id=command.task_id,
            worker_id=command.worker_id,
            started_at=command.started_at,
            failure=failure,
        )
    return ev.AttemptFailed(
        step=name,
        task_id=command.task_id,
        worker_id=command.worker_id,
        started_at=command.started_at,
        failure=failure,
        retry_at=after(now, pause_ms(policy, failures, command.task_id)),
    )


def _cleaned_up(name: str, command: cmd.RecordResult) -> ev.StepCancelled:
    """How a step ended that was told to stop: cleanly, or with a failure of its cleanup."""
    failure = command.outcome.failure if isinstance(command.outcome, cmd.Failed) else None
    return ev.StepCancelled(
        step=name,
        task_id=command.task_id,
        worker_id=command.worker_id,
        failure=None if failure is None or failure.kind == CANCELLED else failure,
    )


def _suspended(
    state: State, name: str, command: cmd.RecordResult, suspended: cmd.Suspended, now: Timestamp
) -> ev.Event_Fact:
    match suspended.marker:
        case SleepRequest() as sleep:
            return ev.SleepStarted(
                step=name,
                task_id=command.task_id,
                worker_id=command.worker_id,
                duration_ms=max(0, sleep.duration_ms),
                due_at=after(now, max(0, sleep.duration_ms)),
                data=sleep.data,
                output=None if suspended.resumable else suspended.fallback or Payload(),
            )
        case ApprovalRequest() as request:
            granted = None if suspended.resumable else _granted_before(state.steps[name])
            if granted is not None:
                return _completed(name, command, granted)
            return ev.ApprovalRequested(
                step=name,
                task_id=command.task_id,
                worker_id=command.worker_id,
                approval_type=request.approval_type,
                data=request.data,
                timeout_ms=max(0, request.timeout_ms),
                expires_at=after(now, request.timeout_ms) if request.timeout_ms > 0 else None,
                resumable=suspended.resumable,
            )
        case SignalRequest() as wanted:
            return wait(state, name, command, wanted, now)
        case _:
            assert_never(suspended.marker)


def _granted_before(step: StepState) -> Payload | None:
    """The response that a worker without resumption was handed, and asks for again."""
    if not step.markers or not isinstance(step.markers[-1].outcome, ApprovalDecision):
        return None
    return step.markers[-1].outcome.response or Payload()
