"""The rules for workers that speak the deployed contract only.

They call a step as `fn(context, **step_inputs)`, so `step_inputs` holds exactly what the step names; they cannot
continue after a marker; their values are Structs.
"""

from __future__ import annotations

from collections.abc import Mapping

from cerebelum_codegen.runtime import JsonValue
from cerebelum_core.payloads import payload_of, unwrapped, value_of
from cerebelum_engine import RecordResult, Rejected, read_result
from cerebelum_proto.types.v1.types_pb import Failure
from cerebelum_proto.worker.worker_service_pb import (
    ApprovalDecision,
    ErrorInfo,
    Task,
    TaskResult,
    TaskStatus,
)

_NO_SIGNALS = "its worker did not say that it can go on after a wait: it registers without WORKER_FEATURE_MARKERS"


def fill_structs(task: Task) -> None:
    """Give a task the Structs that such a worker reads."""
    task.step_inputs = _step_inputs(task)
    task.context = {
        "execution_id": task.execution_id,
        "workflow_name": task.workflow_module,
        "step_name": task.step_name,
        "attempt": task.attempt,
    }


def _step_inputs(task: Task) -> Mapping[str, JsonValue]:
    if task.arguments:
        return {name: value_of(payload) for name, payload in task.arguments.items()}
    return {"inputs": _response(task) if task.satisfied_markers else value_of(task.workflow_inputs)}


def _response(task: Task) -> JsonValue:
    outcome = task.satisfied_markers[-1].outcome
    return value_of(outcome.response) if isinstance(outcome, ApprovalDecision) else None


def read_foreign_result(result: TaskResult) -> RecordResult | Rejected:
    """The command that a result in Structs stands for."""
    if result.status is TaskStatus.SUCCESS and result.output is None:
        _make_exact(result)
    if result.status is TaskStatus.SIGNAL:
        result.status = TaskStatus.FAILED
        result.error = ErrorInfo(kind="unsupported", message=_NO_SIGNALS, non_retryable=True)
    sleep = result.sleep_request
    fallback = payload_of(sleep.data or {}) if sleep is not None else None
    return read_result(result, resumable=False, fallback=fallback)


def _make_exact(result: TaskResult) -> None:
    outcome = unwrapped(result.result or {})
    if isinstance(outcome, Failure):
        result.status = TaskStatus.FAILED
        result.error = ErrorInfo(kind=outcome.kind, message=outcome.message, decision=outcome.error)
    else:
        result.output = outcome
