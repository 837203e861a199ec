"""Whatever a step does ends in a result of its own: it never takes its run, its worker or its lease with it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import cast

import pytest

from cerebelum import Workflow, WorkflowBuilder, memo, sleep, step, wait_for_approval, wait_for_signal, workflow


class Halt(BaseException):
    """What `pytest.fail()` and its like raise."""


A_MOMENT = timedelta(milliseconds=1)
CANNOT = "what the step waits for cannot travel: cerebelum.worker"


async def halts() -> None:
    raise Halt("enough")


def halts_in_a_thread() -> None:
    raise Halt("enough")


async def leaves() -> None:
    raise SystemExit(3)


async def ends_like_a_generator() -> None:
    raise GeneratorExit


def ends_like_a_generator_in_a_thread() -> None:
    raise GeneratorExit


def stops_without_words() -> None:
    raise StopIteration(Unspeakable())


def interrupts_in_a_thread() -> None:
    raise KeyboardInterrupt


async def halts_after_a_wait() -> None:
    await asyncio.sleep(0)
    raise Halt("enough")


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


async def cancels_itself() -> None:
    raise asyncio.CancelledError


async def cancels_its_task() -> None:
    if task := asyncio.current_task():
        task.cancel()
    await asyncio.sleep(0)


async def cancels_its_task_and_fails() -> None:
    if task := asyncio.current_task():
        task.cancel()
    raise ValueError("enough")


async def awaits_what_was_cancelled() -> None:
    task = asyncio.create_task(asyncio.sleep(1_000))
    task.cancel()
    await task


async def fails_without_words() -> None:
    raise Unspeakable


async def keeps_under_a_number() -> None:
    await memo(cast("str", 3), lambda: 1)


async def keeps_under_nothing() -> None:
    await memo("", lambda: 1)


async def keeps_under_no_text() -> None:
    await memo("\ud800", lambda: 1)


async def sleeps_with_an_object() -> None:
    await sleep(A_MOMENT, data={"it": object()})  # type: ignore[dict-item]  # as those do who check no types


async def sleeps_with_a_number_too_large() -> None:
    await sleep(A_MOMENT, data={"it": 2**60})


async def asks_for_a_number() -> None:
    await wait_for_approval(cast("str", 3))


async def waits_for_a_number() -> None:
    await wait_for_signal(cast("str", 3))


async def gives_too_much() -> str:
    return "x" * 3_100_000


async def fails_with_a_surrogate() -> None:
    raise ValueError("caf\u00e9 \ud800")


async def fails_with_many_words() -> None:
    raise ValueError("x" * 3_000_000)


async def gives_too_many_digits() -> object:
    return {"digits": [1, 10**5000]}


async def forgets_to_await() -> object:
    return [asyncio.get_running_loop().create_future()]


async def fails_in_a_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(sleep(A_MOMENT))
        group.create_task(fails_without_words())


async def gives_a_generator() -> object:
    return (number for number in range(3))


def of(function: Callable[[], object]) -> Workflow:
    only = step(function)

    @workflow
    def flow(wf: WorkflowBuilder) -> None:
        wf.timeline(only)

    return flow


@pytest.mark.parametrize("store", [None, "memory://"])
@pytest.mark.parametrize(
    ("function", "kind", "message"),
    [
        (cancels_itself, "CancelledError", ""),
        (cancels_its_task, "CancelledError", ""),
        (cancels_its_task_and_fails, "ValueError", "enough"),
        (awaits_what_was_cancelled, "CancelledError", ""),
        (halts, "Halt", "enough"),
        (halts_after_a_wait, "Halt", "enough"),
        (halts_in_a_thread, "Halt", "enough"),
        (leaves, "SystemExit", "3"),
        (ends_like_a_generator, "GeneratorExit", ""),
        (ends_like_a_generator_in_a_thread, "RuntimeError", "the step raised GeneratorExit()"),
        (stops_without_words, "RuntimeError", "the step raised StopIteration(its words cannot be had"),
        (interrupts_in_a_thread, "RuntimeError", "the step raised KeyboardInterrupt()"),
        (fails_without_words, "Unspeakable", "its words cannot be had: its __str__ fails"),
        (keeps_under_a_number, "TypeError", "a memo: its key is 3: give a text"),
        (keeps_under_nothing, "ValueError", "a memo: its key is empty: name what is kept"),
        (keeps_under_no_text, "ValueError", r"a memo: its key '\ud800' holds a lone surrogate"),
        (sleeps_with_an_object, "PayloadError", f"{CANNOT}.SleepRequest.data['it']: a Struct cannot hold object"),
        (sleeps_with_a_number_too_large, "PayloadError", f"{CANNOT}.SleepRequest.data['it']: {2**60} is beyond 2**53"),
        (asks_for_a_number, "PayloadError", f"{CANNOT}.ApprovalRequest.approval_type: "),
        (waits_for_a_number, "PayloadError", f"{CANNOT}.SignalRequest.name: "),
        (gives_too_much, "ResultRefused", "the Core cannot take the step's result: it has 3100002 bytes"),
        (fails_with_a_surrogate, "ValueError", r"café \ud800"),
        (fails_with_many_words, "ValueError", "x" * 65_536 + "... (3000000 characters)"),
        (gives_too_many_digits, "PayloadError", "value['digits'][1] is a number of more than 4300 digits: "),
        (forgets_to_await, "PayloadError", "value[0] is a Future that nobody has awaited: `await` it first"),
        (fails_in_a_group, "ExceptionGroup", "unhandled errors in a TaskGroup (1 sub-exception)"),
        (gives_a_generator, "PayloadError", "value is a builtins.generator, which cannot travel between steps"),
    ],
)
async def test_it_fails_and_nothing_else_does(
    function: Callable[[], Awaitable[object]], kind: str, message: str, store: str | None
) -> None:
    result = await of(function).execute(store=store)
    assert result.error is not None
    assert result.error.kind == kind
    assert result.error.message.startswith(message)


@pytest.mark.parametrize("store", [None, "memory://"])
async def test_waits_that_begin_at_once_in_a_group_come_one_after_the_other(store: str | None) -> None:
    made: list[str] = []

    async def waits() -> str:
        async with asyncio.TaskGroup() as group:
            group.create_task(sleep(A_MOMENT))
            group.create_task(sleep(A_MOMENT))
            group.create_task(memo("key", lambda: made.append("made")))
        return "done"

    assert (await of(waits).execute(store=store)).unwrap() == "done"
    assert made == ["made"]


def test_a_step_that_interrupts_fails_and_leaves_the_process_alone() -> None:
    async def interrupts() -> None:
        raise KeyboardInterrupt

    result = asyncio.run(of(interrupts).execute(store="memory://"))
    assert result.error is not None
    assert result.error.kind == "KeyboardInterrupt"


def test_a_step_does_not_swallow_the_interrupt_of_a_person() -> None:
    async def is_interrupted() -> None:
        signal.raise_signal(signal.SIGINT)  # by which the loop's main task is told to end
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(of(is_interrupted).execute())


def test_a_step_does_not_swallow_the_interrupt_that_a_handler_of_the_process_raises() -> None:
    def handle(*_: object) -> None:
        raise KeyboardInterrupt

    async def is_interrupted() -> None:
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, handle)
    try:
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(of(is_interrupted).execute())
    finally:
        signal.signal(signal.SIGINT, before)
