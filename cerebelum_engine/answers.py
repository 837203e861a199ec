"""A worker's answer, read as the command that it is."""

from __future__ import annotations

from cerebelum_codegen.runtime.errors import DecodeError
from cerebelum_engine.commands import (
    Completed,
    Failed,
    Outcome,
    Reason,
    RecordResult,
    Rejected,
    Suspended,
)
from cerebelum_proto.types.v1.types_pb import Failure, Payload
from cerebelum_proto.worker.worker_service_markers import detach
from cerebelum_proto.worker.worker_service_pb import ErrorInfo, TaskResult, TaskStatus


def read_result(
    result: TaskResult, *, resumable: bool = True, fallback: Payload | None = None
) -> RecordResult | Rejected:
    """The command that a result with exact payloads stands for.

    `resumable` and `fallback` say what its worker can do after a marker; see `Suspended`.
    """
    outcome = _outcome(result, resumable, fallback)
    if isinstance(outcome, Rejected):
        return outcome
    return RecordResult(
        task_id=result.task_id,
        worker_id=result.worker_id,
        outcome=outcome,
        started_at=result.started_at,
        predicates=result.predicates,
    )


def _outcome(result: TaskResult, resumable: bool, fallback: Payload | None) -> Outcome | Rejected:
    if result.status is TaskStatus.SUCCESS:
        return Completed(output=result.output or Payload())
    try:
        # Which statuses are a marker's is the contract's to say: the generated table knows them all.
        marker = detach(result)
    except DecodeError as error:
        return Rejected(Reason.INVALID, f"the result of task {result.task_id!r}: {error}")
    if marker is not None:
        return Suspended(marker=marker, resumable=resumable, fallback=fallback)
    match result.status:
        case TaskStatus.FAILED | TaskStatus.TIMEOUT | TaskStatus.CANCELLED:
            return Failed(failure=_failure(result))
        case _:
            return Rejected(
                Reason.INVALID,
                f"the result of task {result.task_id!r} has status {int(result.status)}: "
                "send SUCCESS, FAILED, TIMEOUT, CANCELLED or the status of a marker",
            )


def _failure(result: TaskResult) -> Failure:
    error = result.error or ErrorInfo()
    return Failure(
        kind=error.kind or result.status.name.lower(),
        message=error.message,
        stacktrace=error.stacktrace,
        non_retryable=error.non_retryable,
        error=error.decision,
    )
