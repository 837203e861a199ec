"""Runs one task: from what a worker is handed to what it hands in. Local runs and workers share it."""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import cast

from cerebelum.code import Code
from cerebelum.errors import (
    ApprovalRejected,
    ApprovalTimedOut,
    ErrorResult,
    MarkerMismatch,
    NonRetryable,
    SignalTimedOut,
    StillWaiting,
    WaitMisused,
    WorkerError,
)
from cerebelum.lifeline import Lifeline
from cerebelum.plan import Plan
from cerebelum.raised import was_pressed, words_of
from cerebelum.rules import Predicate, ask
from cerebelum.running import ALONE, Line, LoopThread, Suspend, Waits, current_waits
from cerebelum.threads import Threads
from cerebelum_client import PayloadError, Payloads, write_marker
from cerebelum_client.plain import error_text
from cerebelum_codegen.runtime import CodecError, Timestamp
from cerebelum_proto.worker.worker_service_pb import ErrorInfo, Task, TaskResult, TaskStatus

_FINAL = (
    NonRetryable,
    ApprovalRejected,
    ApprovalTimedOut,
    SignalTimedOut,
    MarkerMismatch,
    StillWaiting,
    WaitMisused,
    WorkerError,
    PayloadError,
    CodecError,
)
"""Errors that another try meets again."""


async def run_task(
    task: Task,
    code: Code,
    *,
    worker_id: str,
    now: Callable[[], Timestamp],
    threads: Threads,
    lifeline: Lifeline | None = None,
    line: Line = ALONE,
) -> TaskResult:
    """Run the step of a task, and ask the predicates of the branch that follows it about its value.

    Whatever the step does ends in a result; only being dropped passes through.
    """
    result = TaskResult(task_id=task.task_id, execution_id=task.execution_id, worker_id=worker_id)
    await run_into(result, task, code, now, threads, lifeline or Lifeline(), line, LoopThread())
    return result


async def run_into(
    result: TaskResult,
    task: Task,
    code: Code,
    now: Callable[[], Timestamp],
    threads: Threads,
    lifeline: Lifeline,
    line: Line,
    on: LoopThread,
) -> None:
    """`run_task` for a worker: with what is the same for all of its tasks, and into a result that is there already."""
    result.started_at = began_at = now()
    try:
        waits = Waits(task, code.payloads, line, task.created_at or began_at, on)
        await _run(task, code, result, lifeline, waits, threads)
    except asyncio.CancelledError as error:
        if lifeline.stopping:
            _fail_with(result, TaskStatus.CANCELLED, "cancelled", "the step was told to stop")
        elif lifeline.interrupted:
            raise
        else:
            _fail(result, error)  # nobody cancelled it: the step did so, or raised it, by itself
    except BaseException as error:  # a step that calls sys.exit() or pytest.fail() has failed, and its worker works on
        if was_pressed(error):
            raise
        _fail(result, error)
    if line.is_cancelled() and not lifeline.interrupted:
        with suppress(asyncio.CancelledError):  # the step cancelled itself last of all
            await asyncio.sleep(0)
    result.completed_at = now()


async def _run(task: Task, code: Code, result: TaskResult, lifeline: Lifeline, waits: Waits, threads: Threads) -> None:
    plan = code.plan(task.step_name)
    if plan is None:
        raise WorkerError(
            f"this worker has no code for step '{task.step_name}' of workflow '{task.workflow_module}': "
            "start a worker that has it"
        )
    token = current_waits.set(waits)
    try:
        arguments = plan.arguments(task, lifeline)
        value = await _within_limits(task, lifeline, _call(plan, arguments, lifeline, threads))
    except Suspend as suspend:
        write_marker(suspend.request, result)
        return
    except BaseExceptionGroup as group:
        write_marker(_suspended(group).request, result)
        return
    except ErrorResult as decided:
        value = {"error": decided.reason}
    except _OutOfTime as over:
        _fail_with(result, TaskStatus.TIMEOUT, over.kind, str(over))
        lifeline.drop()  # what goes on in a thread is told so
        return
    finally:
        current_waits.reset(token)
        forgotten = waits.forgotten()
    _check_waits(waits, forgotten)
    _conclude(result, value, plan.predicates, arguments, code.payloads)


def _check_waits(waits: Waits, forgotten: str) -> None:
    """See that a step that has given a value has come through all of its waits."""
    if waits.suspended:
        raise WaitMisused(
            "the step swallowed the exception with which it waits: do not catch BaseException around "
            "sleep(), wait_for_approval() and wait_for_signal(), or raise it again"
        )
    if forgotten:
        raise WaitMisused(
            f"the step called {forgotten}() without `await`, so nothing came of it: `await {forgotten}(...)`"
        )


class _OutOfTime(Exception):
    """A step came up against a limit."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def _within_limits(task: Task, lifeline: Lifeline, call: Awaitable[object]) -> Awaitable[object]:
    if not task.start_to_close_ms and not task.heartbeat_timeout_ms:
        return call
    return _limited(task.start_to_close_ms / 1000 or None, task.heartbeat_timeout_ms / 1000 or None, lifeline, call)


async def _limited(
    timeout_s: float | None, silence_s: float | None, lifeline: Lifeline, call: Awaitable[object]
) -> object:
    try:
        async with asyncio.timeout(timeout_s) as limit, lifeline.within(silence_s) as pulse:
            return await call
    except TimeoutError:
        if pulse.expired():
            raise _OutOfTime("heartbeat_timeout", f"the step gave no sign of life for {silence_s:g} s") from None
        if limit.expired():
            raise _OutOfTime("timeout", f"the step ran longer than {timeout_s:g} s") from None
        raise


def _suspended(group: BaseExceptionGroup[BaseException]) -> Suspend:
    """The wait that a step stops at, where a TaskGroup of the step puts the waits of its tasks into one exception."""
    suspended, failed = group.split(Suspend)
    if suspended is None or failed is not None:
        raise failed or group from None
    return _first(suspended)


def _first(suspended: BaseExceptionGroup[Suspend]) -> Suspend:
    """The first of several waits that a step began at once; the others begin when it is over."""
    first = suspended.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _call(plan: Plan, arguments: dict[str, object], lifeline: Lifeline, threads: Threads) -> Awaitable[object]:
    if plan.is_coroutine:
        return cast("Awaitable[object]", plan.function(**arguments))
    return _threaded(plan, arguments, lifeline, threads)


async def _threaded(plan: Plan, arguments: dict[str, object], lifeline: Lifeline, threads: Threads) -> object:
    value = await _in_thread(threads.run(partial(plan.function, **arguments)), lifeline)
    return await value if inspect.isawaitable(value) else value


async def _in_thread(working: asyncio.Future[object], lifeline: Lifeline) -> object:
    """No thread can be interrupted: one that was told to stop is waited for until it has looked."""
    while True:
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            if working.done() or not lifeline.stopping:
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
        words_of(error),
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
    result.error = ErrorInfo(
        kind=kind, message=error_text(message), stacktrace=error_text(stacktrace), non_retryable=non_retryable
    )
