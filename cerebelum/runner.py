"""Runs one task: from what a worker is handed to what it hands in. Local runs and workers share it."""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import Awaitable, Callable, Mapping

from cerebelum.context import Context
from cerebelum.errors import ApprovalRejected, ApprovalTimedOut, MarkerMismatch, NonRetryable
from cerebelum.step import CONTEXT, INPUTS, AnyStep
from cerebelum.waits import Suspend, Waits, current_waits
from cerebelum_client import PayloadError, from_payload, to_payload, write_marker
from cerebelum_client.annotations import hints_of
from cerebelum_codegen.runtime import CodecError, Timestamp
from cerebelum_proto.worker.worker_service_pb import ErrorInfo, Task, TaskResult, TaskStatus

_FINAL = (NonRetryable, ApprovalRejected, ApprovalTimedOut, MarkerMismatch, PayloadError, CodecError)
"""Errors that another try meets again."""


async def run_task(
    task: Task,
    steps: Mapping[str, AnyStep],
    *,
    worker_id: str,
    now: Callable[[], Timestamp],
    heartbeat: Callable[[], Awaitable[None]] | None = None,
) -> TaskResult:
    """Run the step of a task. Whatever the step does ends in a result; only a cancellation passes through."""
    result = TaskResult(task_id=task.task_id, execution_id=task.execution_id, worker_id=worker_id, started_at=now())
    try:
        await _run(task, steps, result, heartbeat)
    except asyncio.CancelledError:
        raise
    except Exception as error:
        _fail(result, error)
    result.completed_at = now()
    return result


async def _run(
    task: Task,
    steps: Mapping[str, AnyStep],
    result: TaskResult,
    heartbeat: Callable[[], Awaitable[None]] | None,
) -> None:
    step = steps.get(task.step_name)
    if step is None:
        raise NonRetryable(
            f"this worker has no code for step '{task.step_name}' of workflow '{task.workflow_module}': "
            "start a worker that has it"
        )
    waits = Waits(list(task.satisfied_markers))
    token = current_waits.set(waits)
    try:
        timeout_s = task.start_to_close_ms / 1000 or None
        async with asyncio.timeout(timeout_s) as limit:
            value = await _call(step, _arguments(step, task, heartbeat))
    except Suspend as suspend:
        write_marker(suspend.request, result)
        return
    except TimeoutError:
        if not limit.expired():
            raise
        _fail_with(result, TaskStatus.TIMEOUT, "timeout", f"the step ran longer than {timeout_s:g} s")
        return
    finally:
        current_waits.reset(token)
    if waits.suspended:
        raise NonRetryable(
            "the step swallowed the exception with which it waits: do not catch BaseException around "
            "sleep() and wait_for_approval(), or raise it again"
        )
    _conclude(result, value)


def _arguments(step: AnyStep, task: Task, heartbeat: Callable[[], Awaitable[None]] | None) -> dict[str, object]:
    hints = hints_of(step.function)
    arguments = {
        name: from_payload(payload, hints.get(name, object))
        for name, payload in task.arguments.items()
        if name in step.parameters
    }
    if step.takes_inputs:
        arguments[INPUTS] = from_payload(task.workflow_inputs, hints.get(INPUTS, object))
    if step.takes_context:
        beat = {"_beat": heartbeat} if heartbeat is not None else {}
        arguments[CONTEXT] = Context(
            inputs=from_payload(task.workflow_inputs),
            execution_id=task.execution_id,
            workflow_name=task.workflow_module,
            step_name=task.step_name,
            attempt=task.attempt,
            **beat,
        )
    return arguments


async def _call(step: AnyStep, arguments: dict[str, object]) -> object:
    if inspect.iscoroutinefunction(step.function):
        return await step.function(**arguments)
    value = await asyncio.to_thread(step.function, **arguments)
    return await value if inspect.isawaitable(value) else value


def _conclude(result: TaskResult, value: object) -> None:
    """A value, bare or as `{"ok": value}`; or a decision, as `{"error": reason}`."""
    if isinstance(value, dict) and len(value) == 1:
        if "ok" in value:
            value = value["ok"]
        elif "error" in value:
            reason = value["error"]
            result.status = TaskStatus.FAILED
            text = reason if isinstance(reason, str) else repr(reason)
            result.error = ErrorInfo(kind="error", message=text, decision=to_payload(reason), non_retryable=True)
            return
    result.output = to_payload(value)
    result.status = TaskStatus.SUCCESS


def _fail(result: TaskResult, error: Exception) -> None:
    _fail_with(
        result,
        TaskStatus.FAILED,
        type(error).__name__,
        str(error),
        stacktrace="".join(traceback.format_exception(error)),
        non_retryable=isinstance(error, _FINAL),
    )


def _fail_with(
    result: TaskResult,
    status: TaskStatus,
    kind: str,
    message: str,
    *,
    stacktrace: str = "",
    non_retryable: bool = False,
) -> None:
    result.status = status
    result.output = None
    result.error = ErrorInfo(kind=kind, message=message, stacktrace=stacktrace, non_retryable=non_retryable)
