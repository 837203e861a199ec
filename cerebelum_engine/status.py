"""Where an execution stands, in the contract's words."""

from __future__ import annotations

from collections import Counter
from typing import Final

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine.phase import DEAD_LETTERED, READY, Phase
from cerebelum_engine.state import State
from cerebelum_engine.times import milliseconds_between
from cerebelum_engine.visit import StepState
from cerebelum_proto.events.v1.events_pb import ApprovalRequested, SignalAwaited, SleepStarted
from cerebelum_proto.types.v1.types_pb import Failure
from cerebelum_proto.worker.worker_service_pb import (
    ApprovalInfo,
    ErrorInfo,
    ExecutionState,
    ExecutionStatus,
    SignalInfo,
    SleepInfo,
    StepStatus,
)

_COMPLETED: Final = ExecutionState.EXECUTION_COMPLETED


def status_of(state: State, now: Timestamp) -> ExecutionStatus:
    """The status as exact payloads.

    Its Struct fields stay empty: whoever answers a client without payloads fills them.
    """
    current = current_step(state)
    return ExecutionStatus(
        execution_id=state.execution_id,
        workflow_name=state.blueprint.workflow,
        workflow_hash=state.blueprint.hash,
        status=summary(state),
        started_at=state.started_at,
        completed_at=state.ended_at,
        current_step_index=step_index(state),
        total_steps=len(state.blueprint.steps),
        current_step_name=current,
        completed_steps=[_step_status(state, name, step) for name, step in state.steps.items() if step.phase.closed],
        outputs={name: step.output for name, step in state.steps.items() if step.output is not None},
        result_steps=list(state.result_steps),
        exact_inputs=state.started.inputs if state.started else None,
        error=error_info(state.failure) if state.failure else None,
        sleep_info=_sleep_info(state, now),
        approval_info=_approval_info(state, now),
        history_length=state.version,
        signal_info=_signal_info(state, now),
        kept_signals=dict(Counter(signal.name for signal in state.signals)),
        queue=state.started.queue if state.started else "",
    )


def conclusion_of(state: State) -> ExecutionStatus:
    """What whoever waits for the end wants to know, and no more: how it ended, and its result."""
    results = state.result_steps
    return ExecutionStatus(
        execution_id=state.execution_id,
        workflow_name=state.blueprint.workflow,
        workflow_hash=state.blueprint.hash,
        status=summary(state),
        started_at=state.started_at,
        completed_at=state.ended_at,
        current_step_name=current_step(state),
        outputs={name: output for name in results if (output := state.steps[name].output) is not None},
        result_steps=list(results),
        error=error_info(state.failure) if state.failure else None,
        history_length=state.version,
    )


def summary(state: State) -> ExecutionState:
    """The execution's state; while it runs, what it waits for, if it only waits."""
    if not state.running:
        return state.status
    if state.cancelling is not None:
        return ExecutionState.EXECUTION_CANCELLING
    phases = [step.phase for step in state.steps.of(state.open)]
    if DEAD_LETTERED in phases:
        return ExecutionState.EXECUTION_DEAD_LETTERED
    if state.paused is not None:
        return ExecutionState.EXECUTION_PAUSED
    if READY in phases or Phase.RETRYING in phases or not phases:
        return state.status
    if Phase.AWAITING_APPROVAL in phases:
        return ExecutionState.EXECUTION_WAITING_FOR_APPROVAL
    waiting = Phase.AWAITING_SIGNAL in phases
    return ExecutionState.EXECUTION_WAITING_FOR_SIGNAL if waiting else ExecutionState.EXECUTION_SLEEPING


def step_index(state: State) -> int:
    """How many steps lie behind: all of them once it has completed."""
    if state.status is _COMPLETED:
        return len(state.blueprint.steps)
    return state.steps.completed


def current_step(state: State) -> str:
    """The first step that is under way; once it has ended, the one that failed it, if any."""
    if state.ended:
        return state.failed_step
    return state.open[0] if state.open else ""


def error_info(failure: Failure) -> ErrorInfo:
    """A stored failure as the contract tells it."""
    return ErrorInfo(
        kind=failure.kind,
        message=failure.message,
        stacktrace=failure.stacktrace,
        non_retryable=failure.non_retryable,
        decision=failure.error,
    )


def _step_status(state: State, name: str, step: StepState) -> StepStatus:
    started = step.started_at or step.entered_at
    ended = step.ended_at or started
    return StepStatus(
        step_name=name,
        step_index=state.blueprint.position(name),
        status=step.phase.value,
        started_at=started,
        completed_at=step.ended_at,
        duration_seconds=milliseconds_between(started, ended) // 1000,
        error=error_info(step.failure) if step.phase is Phase.FAILED and step.failure else None,
        attempts=step.attempt,
    )


def _sleep_info(state: State, now: Timestamp) -> SleepInfo | None:
    for name in state.open if state.running else ():
        step = state.steps[name]
        if isinstance(step.waiting_for, SleepStarted) and step.due_at is not None:
            return SleepInfo(
                duration_ms=step.waiting_for.duration_ms,
                sleep_started_at=step.waiting_since,
                remaining_ms=milliseconds_between(now, step.due_at),
                data=step.waiting_for.data,
            )
    return None


def _approval_info(state: State, now: Timestamp) -> ApprovalInfo | None:
    for name in state.open if state.running else ():
        step = state.steps[name]
        if isinstance(step.waiting_for, ApprovalRequested):
            return ApprovalInfo(
                approval_type=step.waiting_for.approval_type,
                data=step.waiting_for.data,
                timeout_ms=step.waiting_for.timeout_ms,
                requested_at=step.waiting_since,
                remaining_timeout_ms=milliseconds_between(now, step.due_at) if step.due_at else 0,
                step_name=name,
                task_id=step.waiting_for.task_id,
            )
    return None


def _signal_info(state: State, now: Timestamp) -> SignalInfo | None:
    for name in state.open if state.running else ():
        step = state.steps[name]
        if isinstance(step.waiting_for, SignalAwaited):
            return SignalInfo(
                name=step.waiting_for.name,
                timeout_ms=step.waiting_for.timeout_ms,
                waiting_since=step.waiting_since,
                remaining_timeout_ms=milliseconds_between(now, step.due_at) if step.due_at else 0,
                step_name=name,
            )
    return None
