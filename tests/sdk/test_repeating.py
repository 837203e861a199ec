"""`memo`, `poll` and `retry` on a Core whose clock only moves when it is told to."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

import cerebelum
from cerebelum import (
    DistributedExecutor,
    NonRetryable,
    Progress,
    ProgressReporter,
    Worker,
    Workflow,
    WorkflowBuilder,
    memo,
    poll,
    retry,
    sleep,
    step,
    testing,
    wait_for_signal,
    workflow,
)
from cerebelum.embedded import embedded_core
from cerebelum.step import AnyStep

MINUTE = timedelta(minutes=1)
NUMBER: Any = 3
TEXT: Any = "x"
"""As those give it who check no types."""


def of(function: AnyStep | Callable[..., object]) -> Workflow:
    """A workflow of one step."""
    only = function if isinstance(function, AnyStep) else step(function)

    @workflow
    def flow(wf: WorkflowBuilder) -> None:
        wf.timeline(only)

    return flow


async def test_a_memo_is_computed_once_and_comes_back_as_its_annotation_says() -> None:
    made: list[str] = []

    def make() -> tuple[int, ...]:
        made.append("made")
        return (1, 2)

    async def keeps() -> list[object]:
        first = await memo("numbers", make)
        await sleep(MINUTE)
        return [first, await memo("numbers", make), await memo("other", lambda: len(made))]

    flow = of(keeps)
    async with testing.core([flow]) as core:
        assert await core.output(await core.start(flow)) == [(1, 2), (1, 2), 1]
    assert made == ["made"]


async def test_a_long_poll_sleeps_between_its_questions_and_is_passed_over_afterwards() -> None:
    answers, runs = [0, 0, 7], list[str]()

    async def asks() -> list[int]:
        runs.append("run")
        found = await poll(lambda: answers.pop(0), every=MINUTE)
        await sleep(MINUTE)
        again = await poll(lambda: answers.pop(0) if answers else 9, every=MINUTE)
        return [found, again]

    flow = of(asks)
    async with testing.core([flow]) as core:
        handle = await core.start(flow)
        assert (await handle.status()).status == "sleeping"
        await core.skip(2 * MINUTE)
        assert (await handle.status()).status == "sleeping"
        await core.skip(MINUTE)
        assert (await handle.status()).output == [7, 9]
    assert len(runs) == 4


async def test_a_poll_gives_up_when_its_time_is_over() -> None:
    asked: list[str] = []

    async def asks() -> None:
        await poll(lambda: asked.append("?"), every=MINUTE, timeout=3 * MINUTE)

    flow = of(asks)
    async with testing.core([flow]) as core:
        handle = await core.start(flow)
        error = (await core.result(handle)).error
    assert error is not None
    assert (error.kind, len(asked)) == ("StillWaiting", 4)


async def test_the_time_of_a_poll_counts_from_its_first_question_and_not_by_its_pauses() -> None:
    asked: list[str] = []

    async def asks() -> None:
        await poll(lambda: asked.append("?"), every=MINUTE, timeout=5 * MINUTE)

    flow = of(asks)
    async with testing.core([flow]) as core:
        handle = await core.start(flow)
        await handle.pause("nobody asks meanwhile")
        await core.skip(10 * MINUTE)
        await handle.resume()
        error = (await core.result(handle)).error
    assert error is not None
    assert (error.kind, len(asked)) == ("StillWaiting", 2)


async def test_the_last_question_comes_when_the_time_is_over() -> None:
    asked: list[datetime] = []

    async def asks() -> None:
        await poll(lambda: asked.append(core.now), every=MINUTE, timeout=timedelta(seconds=90))

    flow = of(asks)
    async with testing.core([flow]) as core:
        begun, handle = core.now, await core.start(flow)
        assert (await core.result(handle)).status == "failed"
    assert [round((at - begun).total_seconds()) for at in asked] == [0, 60, 90]


async def test_a_short_poll_stays_in_the_process() -> None:
    answers = [None, None, "here"]

    async def asks() -> object:
        return await poll(lambda: answers.pop(0), every=timedelta(milliseconds=1))

    flow = of(asks)
    assert (await flow.execute()).output == "here"


async def test_a_call_is_retried_with_growing_pauses_that_outlive_the_process() -> None:
    tries: list[str] = []

    async def flaky() -> str:
        tries.append("try")
        if len(tries) < 3:
            raise ConnectionError("not yet")
        return "done"

    async def calls() -> str:
        return await retry(flaky, attempts=5, pause=MINUTE)

    flow = of(calls)
    async with testing.core([flow]) as core:
        before = core.now
        assert await core.output(await core.start(flow)) == "done"
        assert core.now - before == 3 * MINUTE
    assert len(tries) == 3


@pytest.mark.parametrize(("on", "tries"), [(ConnectionError, 3), (KeyError, 1)])
async def test_the_last_error_passes_through(on: type[Exception], tries: int) -> None:
    tried: list[str] = []

    def fails() -> None:
        tried.append("try")
        raise ConnectionError("never")

    async def calls() -> None:
        await retry(fails, attempts=3, pause=timedelta(milliseconds=1), on=on)

    error = (await of(calls).execute()).error
    assert error is not None
    assert (error.kind, error.message, len(tried)) == ("ConnectionError", "never", tries)


async def test_a_memo_survives_a_failed_try_and_not_a_new_visit() -> None:
    made: list[int] = []

    def make() -> int:
        made.append(len(made))
        return len(made)

    async def keeps() -> int:
        kept = await memo("n", make)
        if len(made) == 2 and kept == 2:
            return kept
        raise NonRetryable("the first visit")

    only = step(keeps)

    @workflow
    def flow(wf: WorkflowBuilder) -> None:
        wf.timeline(only)
        wf.diverge(only, {"NonRetryable": retry()})

    assert (await flow.execute()).output == 2


async def test_progress_is_seen_in_the_status_while_the_step_runs_and_no_longer() -> None:
    told, go_on = asyncio.Event(), asyncio.Event()

    async def works() -> str:
        progress = ProgressReporter()
        await progress.update(40, "packing")
        told.set()
        await go_on.wait()
        return "packed"

    flow = of(works)
    async with embedded_core("memory://") as core:
        worker = Worker(core, workflows=[flow])
        working = asyncio.create_task(worker.run())
        handle = await DistributedExecutor(core).submit(flow)
        await told.wait()
        shown = (await handle.status()).progress
        go_on.set()
        result = await handle.result()
        worker.stop()
        await working
    assert shown == {"works": Progress(40, "packing")}
    assert (result.output, result.progress) == ("packed", {})


async def test_a_plain_function_tells_its_progress_without_await() -> None:
    told, go_on = threading.Event(), threading.Event()

    def works() -> str:
        ProgressReporter().update(40, "grinding")
        told.set()
        go_on.wait(30)
        return "ground"

    flow = of(works)
    async with testing.core([flow]) as core:
        starting = asyncio.create_task(core.start(flow, execution_id="x"))
        await asyncio.to_thread(told.wait, 30)
        while not (shown := (await core.handle("x").status()).progress):
            await asyncio.sleep(0.001)
        go_on.set()
        assert await core.output(await starting) == "ground"
    assert shown == {"works": Progress(40, "grinding")}


@pytest.mark.parametrize("name", ["sleep", "wait_for_approval", "memo", "poll", "retry"])
async def test_what_may_wait_is_refused_in_a_plain_function_and_says_what_to_do(name: str) -> None:
    arguments = {"sleep": (1,), "wait_for_approval": (), "memo": ("key", int), "poll": (int,), "retry": (int,)}

    def plain() -> None:
        getattr(cerebelum, name)(*arguments[name])

    error = (await of(plain).execute()).error
    assert error is not None
    assert (error.kind, error.message.split(":")[1]) == (
        "OutsideStep",
        f" make the step an `async def`, and `await {name}(...)`",
    )


async def test_a_wait_that_is_not_awaited_fails_the_step_instead_of_being_skipped() -> None:
    async def forgets() -> str:
        sleep(timedelta(days=1))  # type: ignore[unused-coroutine]  # the fault
        return "slept?"

    error = (await of(forgets).execute()).error
    assert error is not None
    assert error.kind == "WaitMisused"
    assert error.message == "the step called sleep() without `await`, so nothing came of it: `await sleep(...)`"


async def test_progress_is_a_percentage() -> None:
    async def works() -> None:
        await ProgressReporter().update(140)

    error = (await of(works).execute()).error
    assert error is not None
    assert "percentage from 0 to 100" in error.message


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: sleep(TEXT), "cannot sleep for 'x': give a timedelta, or seconds"),
        (lambda: sleep(math.nan), "cannot sleep for nan seconds: no timedelta is as long as that"),
        (lambda: sleep(math.inf), "cannot sleep for inf seconds: no timedelta is as long as that"),
        (lambda: poll(list, every=NUMBER), "every is 3: give a timedelta, as in timedelta(seconds=30)"),
        (lambda: poll(list, timeout=NUMBER), "timeout is 3: give a timedelta, as in timedelta(seconds=30)"),
        (lambda: retry(list, pause=NUMBER), "pause is 3: give a timedelta, as in timedelta(seconds=30)"),
        (lambda: retry(list, attempts=TEXT), "attempts is 'x': give a whole number"),
        (lambda: retry(list, backoff=TEXT), "backoff is 'x': give a number"),
        (lambda: retry(list, backoff=math.nan), "cannot pause for 0:00:01, then nan times as long"),
    ],
)
async def test_what_is_no_duration_and_no_number_is_told_in_words(call: Callable[[], Any], told: str) -> None:
    async def waits() -> None:
        await call()

    result = await of(waits).execute()
    assert result.error is not None
    assert result.error.message.startswith(told)


async def test_the_longest_span_that_there_is_can_be_given_wherever_one_is_asked_for() -> None:
    longest = timedelta.max

    async def waits() -> str:
        await wait_for_signal("go on", timeout=longest)
        await poll(lambda: True, timeout=longest)
        await sleep(longest)
        return "never"

    flow = of(step(timeout=longest, heartbeat_timeout=longest, queue_timeout=longest)(waits))
    async with testing.core([flow]) as core:
        handle = await core.start(flow, timeout=longest)
        await core.signal(handle, "go on")
        assert (await handle.status()).status == "sleeping"
        with pytest.raises(ValueError, match="cannot skip .* and not beyond the year 9999"):
            await core.skip(longest)
        with pytest.raises(TypeError, match="cleanup is 3: give a timedelta"):
            await handle.cancel(cleanup=NUMBER)
        await handle.cancel(cleanup=longest)
        assert (await handle.status()).status == "cancelled"
