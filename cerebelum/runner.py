"""Runs one task: from what a worker is handed to what it hands in. Local runs and workers share it."""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import get_args

from cerebelum.code import Code
from cerebelum.context import Context
from cerebelum.errors import (
    ApprovalRejected,
    ApprovalTimedOut,
    ErrorResult,
    MarkerMismatch,
    NonRetryable,
    StillWaiting,
)
from cerebelum.rules import Predicate, ask
from cerebelum.running import ALONE, Line, Suspend, Waits, current_waits
from cerebelum.signals import Signals
from cerebelum.step import CONTEXT, INPUTS, AnyStep
from cerebelum.threads import Threads
from cerebelum_client import PayloadError, Payloads, write_marker
from cerebelum_client.annotations import hints_of
from cerebelum_codegen.runtime import CodecError, Timestamp
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker.worker_service_pb import ErrorInfo, Task, TaskResult, TaskStatus

_FINAL = (NonRetryable, ApprovalRejected, ApprovalTimedOut, MarkerMismatch, StillWaiting, PayloadError, CodecError)
"""Errors that another try meets again."""


async def run_task(
    task: Task,
    code: Code,
    *,
    worker_id: str,
    now: Callable[[], Timestamp],
    threads: Threads,
    signals: Signals | None = None,
    line: Line = ALONE,
) -> TaskResult:
    """Run the step of a task, and ask the predicates of the branch that follows it about its value.

    Whatever the step does ends in a result; only being dropped passes through.
    """
    result = TaskResult(task_id=task.task_id, execution_id=task.execution_id, worker_id=worker_id, started_at=now())
    signals = signals or Signals()
    try:
        began_at = task.created_at or result.started_at or now()
        waits = Waits(list(task.satisfied_markers), code.payloads, dict(task.memos), line, began_at)
        await _run(task, code, result, signals, waits, threads)
    except asyncio.CancelledError as error:
        if signals.stopping:
            _fail_with(result, TaskStatus.CANCELLED, "cancelled", "the step was told to stop")
        elif signals.cancelled or _is_cancelled():
            raise
        else:
            _fail(result, error)  # nobody cancelled it: the step raised it by itself
    except (Exception, SystemExit) as error:
        _fail(result, error)  # a step that calls sys.exit() has failed, and its worker works on
    result.completed_at = now()
    return result


async def _run(task: Task, code: Code, result: TaskResult, signals: Signals, waits: Waits, threads: Threads) -> None:
    step = code.steps.get(task.step_name)
    if step is None:
        raise NonRetryable(
            f"this worker has no code for step '{task.step_name}' of workflow '{task.workflow_module}': "
            "start a worker that has it"
        )
    token = current_waits.set(waits)
    try:
        arguments = _arguments(step, task, signals, code.payloads)
        value = await _within_limits(task, signals, _ungrouped(_call(step, arguments, signals, threads)))
    except Suspend as suspend:
        write_marker(suspend.request, result)
        return
    except ErrorResult as decided:
        value = {"error": decided.reason}
    except _OutOfTime as over:
        _fail_with(result, TaskStatus.TIMEOUT, over.kind, str(over))
        signals.drop()  # what goes on in a thread is told so
        return
    finally:
        current_waits.reset(token)
        forgotten = waits.forgotten()
    _check_waits(waits, forgotten)
    _conclude(result, value, code.predicates.get(task.step_name, ()), arguments, code.payloads)


def _check_waits(waits: Waits, forgotten: str) -> None:
    """See that a step that has given a value has come through all of its waits."""
    if waits.suspended:
        raise NonRetryable(
            "the step swallowed the exception with which it waits: do not catch BaseException around "
            "sleep() and wait_for_approval(), or raise it again"
        )
    if forgotten:
        raise NonRetryable(
            f"the step called {forgotten}() without `await`, so nothing came of it: `await {forgotten}(...)`"
        )


class _OutOfTime(Exception):
    """A step came up against a limit."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


async def _within_limits(task: Task, signals: Signals, call: Coroutine[None, None, object]) -> object:
    timeout_s, silence_s = task.start_to_close_ms / 1000 or None, task.heartbeat_timeout_ms / 1000 or None
    if timeout_s is None and silence_s is None:
        return await call
    try:
        async with asyncio.timeout(timeout_s) as limit, signals.within(silence_s) as pulse:
            return await call
    except TimeoutError:
        if pulse.expired():
            raise _OutOfTime("heartbeat_timeout", f"the step gave no sign of life for {silence_s:g} s") from None
        if limit.expired():
            raise _OutOfTime("timeout", f"the step ran longer than {timeout_s:g} s") from None
        raise


async def _ungrouped(call: Coroutine[None, None, object]) -> object:
    """The same, where a TaskGroup of the step puts the waits of its tasks into one exception."""
    try:
        return await call
    except BaseExceptionGroup as group:
        suspended, failed = group.split(Suspend)
        if suspended is None or failed is not None:
            raise failed or group from None
        raise _first(suspended) from None


def _first(suspended: BaseExceptionGroup[Suspend]) -> Suspend:
    """The first of several waits that a step began at once; the others begin when it is over."""
    first = suspended.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _arguments(step: AnyStep, task: Task, signals: Signals, payloads: Payloads) -> dict[str, object]:
    hints = hints_of(step.function)
    given = {name: payload for name, payload in task.arguments.items() if name in step.parameters}
    if step.takes_inputs:
        given[INPUTS] = task.workflow_inputs or Payload()
    arguments = {name: _read(name, payload, hints.get(name, object), payloads) for name, payload in given.items()}
    if step.takes_context:
        arguments[CONTEXT] = Context(
            inputs=_read(INPUTS, task.workflow_inputs, _inputs_of(hints.get(CONTEXT)), payloads),
            execution_id=task.execution_id,
            workflow_name=task.workflow_module,
            step_name=task.step_name,
            attempt=task.attempt,
            _signals=signals,
        )
    return arguments


def _read(name: str, payload: Payload | None, annotation: object, payloads: Payloads) -> object:
    try:
        return payloads.read(payload, annotation)
    except PayloadError as error:
        raise PayloadError(f"'{name}' cannot be handed to the step: {error}") from None


def _inputs_of(context: object) -> object:
    """What `Context[Order]` says of the inputs."""
    return next(iter(get_args(context)), object)


async def _call(step: AnyStep, arguments: dict[str, object], signals: Signals, threads: Threads) -> object:
    if inspect.iscoroutinefunction(step.function):
        return await step.function(**arguments)
    value = await _in_thread(threads.run(partial(step.function, **arguments)), signals)
    return await value if inspect.isawaitable(value) else value


async def _in_thread(working: asyncio.Future[object], signals: Signals) -> object:
    """No thread can be interrupted: one that was told to stop is waited for until it has looked."""
    while True:
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            if working.done() or not signals.stopping:
                raise


def _conclude(
    result: TaskResult,
    value: object,
    predicates: Sequence[Predicate],
    arguments: Mapping[str, object],
    payloads: Payloads,
) -> None:
    """A value, bare or as `{"ok": value}`; or a decision, as `{"error": reason}`."""
    if isinstance(value, dict) and len(value) == 1:
        if "ok" in value:
            value = value["ok"]
        elif "error" in value:
            reason = value["error"]
            result.status = TaskStatus.FAILED
            text = reason if isinstance(reason, str) else repr(reason)
            result.error = ErrorInfo(kind="error", message=text, decision=payloads.write(reason), non_retryable=True)
            return
    result.output = payloads.write(value)
    result.status = TaskStatus.SUCCESS
    if predicates:
        result.predicates = ask(predicates, value, arguments)


def _fail(result: TaskResult, error: BaseException) -> None:
    _fail_with(
        result,
        TaskStatus.FAILED,
        type(error).__name__,
        _text(error),
        stacktrace="".join(traceback.format_exception(error)),
        non_retryable=isinstance(error, _FINAL),
    )


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "its words cannot be had: its __str__ fails"


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
