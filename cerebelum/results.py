"""What became of an execution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from cerebelum.code import NO_CODE, Code
from cerebelum.errors import ExecutionFailed
from cerebelum_client import PayloadError, Payloads
from cerebelum_client.approvals import asked_data
from cerebelum_codegen.runtime import JsonValue, Timestamp
from cerebelum_proto.control.v1 import lifecycle_pb
from cerebelum_proto.events.v1.events_pb import ApprovalRequested
from cerebelum_proto.worker.worker_service_pb import ApprovalInfo, ErrorInfo, ExecutionState, ExecutionStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionError:
    """Why an execution has no output."""

    kind: str
    """The class name of an exception, `error` for a step that returned `{"error": ...}`, or the engine's own word."""
    message: str
    step: str = ""
    reason: object = None
    """The `e` of `{"error": e}`."""
    stacktrace: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running step is, as it says itself."""

    percent: int
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One reason why an execution is where it is."""

    standing: str
    """A word: ended, paused, cancelling, sleeping, awaiting_approval, awaiting_signal, retrying,
    dead_lettered, running, queued, no_worker, held_back, quarantined."""
    message: str
    """The same for people, with what can be done about it."""
    step: str = ""
    worker_id: str = ""
    """Who has the step."""
    queue: str = ""
    """Of a step that waits for a worker: in which queue."""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingApproval:
    """A question that waits for somebody's decision."""

    step: str
    approval_type: str
    data: Mapping[str, JsonValue]
    task_id: str
    """Which question it is: a decision that brings it back is about this one alone, whatever the step asks by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionResult:
    """What became of an execution, or where it stands."""

    execution_id: str
    status: str
    """completed, failed, cancelled; while it goes on: running, sleeping, waiting_for_approval, waiting_for_signal,
    paused, cancelling, dead_lettered."""
    output: object = None
    """The result of the last step; of a last group, a mapping from step to result."""
    error: ExecutionError | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    progress: Mapping[str, Progress] = field(default_factory=dict)
    """How far running steps are, by step, where they tell."""
    approval: PendingApproval | None = None
    """What it asks; where several steps ask, what the first of them does."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in ("completed", "failed", "cancelled")

    def unwrap(self) -> object:
        """The output.

        Raises:
            ExecutionFailed: the execution did not complete.
        """
        if self.status == "completed":
            return self.output
        why = f": {self.error.kind}: {self.error.message}" if self.error else ""
        told = f"execution {self.execution_id!r} has not completed ({self.status}){why}"
        raise ExecutionFailed(told, status=self.status, error=self.error)


def result_of(status: ExecutionStatus, code: Code = NO_CODE) -> ExecutionResult:
    """A status as a result; with its workflow's code at hand, the output is read as the steps are annotated.

    Raises:
        PayloadError: the output cannot be read; without the code, a message or a converted value never can.
    """
    return ExecutionResult(
        execution_id=status.execution_id,
        status=status_word(status.status),
        output=_output(status, code),
        error=error_of(status.error, status.current_step_name, code.payloads) if status.error else None,
        started_at=datetime_of(status.started_at),
        completed_at=datetime_of(status.completed_at),
        progress={each.step_name: Progress(each.percent, each.message) for each in status.progress},
        approval=_approval(status.approval_info) if status.approval_info else None,
    )


def _approval(info: ApprovalInfo) -> PendingApproval:
    return PendingApproval(
        step=info.step_name, approval_type=info.approval_type, data=asked_data(info.data), task_id=info.task_id
    )


def question_of(request: ApprovalRequested) -> PendingApproval:
    """What a step asks, as its approver is shown it."""
    return PendingApproval(
        step=request.step, approval_type=request.approval_type, data=asked_data(request.data), task_id=request.task_id
    )


def explanation_of(told: lifecycle_pb.Explanation) -> Explanation:
    """An explanation in Python's words."""
    return Explanation(
        standing=told.standing.name.removeprefix("STANDING_").lower(),
        message=told.message,
        step=told.step_name,
        worker_id=told.worker_id,
        queue=told.queue,
        since=datetime_of(told.since),
        until=datetime_of(told.until),
    )


@cache
def status_word(state: ExecutionState) -> str:
    """A state in a word: `EXECUTION_WAITING_FOR_APPROVAL` is waiting_for_approval."""
    return state.name.removeprefix("EXECUTION_").lower()


def _output(status: ExecutionStatus, code: Code) -> object:
    try:
        values = {name: code.read_result(name, status.outputs.get(name)) for name in status.result_steps}
    except PayloadError as error:
        if code is not NO_CODE:
            raise
        told = f"{error}; with the workflow at hand it can: executor.handle({status.execution_id!r}, workflow)"
        raise PayloadError(told) from None
    return next(iter(values.values())) if len(values) == 1 else values or None


def error_of(error: ErrorInfo, step: str, payloads: Payloads) -> ExecutionError:
    """Why something failed, as the contract tells it."""
    return ExecutionError(
        kind=error.kind,
        message=error.message,
        step=step,
        reason=payloads.read(error.decision),
        stacktrace=error.stacktrace,
    )


def datetime_of(instant: Timestamp | None) -> datetime | None:
    """An instant as Python has it."""
    return None if instant is None else instant.to_datetime()
