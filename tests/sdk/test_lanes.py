"""Tests of lanes: calls that do not wait share a task, and no call can tell."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar

import pytest

from cerebelum.lanes import Call, Lanes
from cerebelum_proto.worker.worker_service_pb import TaskResult

word = ContextVar("word", default="")
seen: list[asyncio.Task[object]] = []


class Trial(Call):
    def __init__(self, function: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self._function = function
        self.task_hash = 0
        self.over = asyncio.Event()
        self.result: TaskResult | None = None

    def begin(self) -> Coroutine[object, None, TaskResult]:
        return self._begin()

    async def _begin(self) -> TaskResult:
        self.task_hash = hash(asyncio.current_task())
        await self._function()
        return TaskResult()

    def ended(self, result: TaskResult | None) -> None:
        self.result = result
        self.over.set()


async def run(*functions: Callable[[], Awaitable[None]]) -> list[Trial]:
    lanes, trials = Lanes(), [Trial(function) for function in functions]
    for trial in trials:
        lanes.run(trial)
    for trial in trials:
        await trial.over.wait()
    return trials


async def nothing() -> None:
    pass


async def pause() -> None:
    await asyncio.sleep(0)


async def test_calls_that_do_not_wait_share_a_task() -> None:
    trials = await run(nothing, nothing, nothing)

    assert len({trial.task_hash for trial in trials}) == 1


async def test_a_call_that_waits_keeps_its_task_and_holds_up_nobody() -> None:
    gate = asyncio.Event()
    lanes = Lanes()
    waits, goes = Trial(gate.wait), Trial(nothing)  # type: ignore[arg-type]  # what an event's wait gives is of no use
    lanes.run(waits)
    lanes.run(goes)

    await goes.over.wait()
    assert not waits.done
    gate.set()
    await waits.over.wait()

    assert waits.task_hash != goes.task_hash
    assert waits.result == TaskResult()


async def keep() -> None:
    seen.append(asyncio.current_task() or pytest.fail("there is none"))


async def keep_weakly() -> None:
    task = asyncio.current_task()
    assert task is not None
    references.append(weakref.ref(task))


async def watch() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.add_done_callback(lambda _: None)


async def rename() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.set_name("mine")


references: list[weakref.ref[asyncio.Task[object]]] = []


@pytest.mark.parametrize("leave_a_trace", [keep, keep_weakly, watch, rename])
async def test_a_call_that_leaves_a_trace_on_its_task_is_the_last_on_it(
    leave_a_trace: Callable[[], Awaitable[None]],
) -> None:
    first, second = await run(leave_a_trace, nothing)

    assert first.task_hash != second.task_hash
    seen.clear()
    references.clear()


async def test_who_keeps_the_task_of_a_call_that_ended_interrupts_no_other() -> None:
    kept: list[asyncio.Task[object]] = []

    async def keep_mine() -> None:
        kept.append(asyncio.current_task() or pytest.fail("there is none"))

    async def strike() -> None:
        kept[0].cancel()
        await asyncio.sleep(0)

    _, second = await run(keep_mine, strike)

    assert second.result == TaskResult()


async def test_a_call_that_cancels_itself_and_goes_on_to_its_end_counts_as_cancelled() -> None:
    async def cancel_myself() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    first, second = await run(cancel_myself, pause)

    assert (first.result, second.result) == (None, TaskResult())


async def test_each_call_sees_the_context_variables_of_whoever_runs_it_and_none_of_the_others() -> None:
    found: list[str] = []

    async def say(mine: str) -> None:
        found.append(word.get())
        token = word.set(mine)
        await asyncio.sleep(0)
        found.append(word.get())
        word.reset(token)

    async def say_at_once() -> None:
        found.append(word.get())
        word.set("at once")

    word.set("outer")
    await run(say_at_once, lambda: say("b"), say_at_once, lambda: say("d"))

    assert found == ["outer", "outer", "outer", "outer", "b", "d"]


async def test_a_call_that_waits_is_cancelled_like_a_task_and_may_clean_up() -> None:
    cleaned = asyncio.Event()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    lanes, trial = Lanes(), Trial(wait)
    lanes.run(trial)
    await asyncio.sleep(0)
    trial.cancel()
    await trial.over.wait()

    assert cleaned.is_set()
    assert trial.result is None


async def test_a_call_that_is_cancelled_before_it_begins_never_does() -> None:
    lanes, trial, other = Lanes(), Trial(nothing), Trial(nothing)
    lanes.run(trial)
    lanes.run(other)
    trial.cancel()
    await other.over.wait()

    assert trial.done
    assert trial.task_hash == 0
    assert trial.result is None


async def test_time_limits_and_task_groups_work_in_a_call() -> None:
    async def late() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.Event().wait()

    async def grouped() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(pause())

    async def in_time() -> None:
        async with asyncio.timeout(5):
            await nothing()

    trials = await run(late, grouped, in_time, nothing)

    assert [trial.result for trial in trials] == [TaskResult()] * 4
    assert trials[2].task_hash == trials[3].task_hash


def test_a_call_that_ends_its_process_does_so_and_leaves_the_others_to_a_new_lane() -> None:
    async def end() -> None:
        raise KeyboardInterrupt

    lanes, ending, other = Lanes(), Trial(end), Trial(nothing)
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        loop.call_soon(lanes.run, ending)
        loop.call_soon(lanes.run, other)
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()
        loop.run_until_complete(other.over.wait())

    assert (ending.result, other.result) == (None, TaskResult())


async def test_lanes_go_on_when_somebody_cancels_every_task_there_is() -> None:
    lanes, stopped, other = Lanes(), Trial(nothing), Trial(nothing)
    lanes.run(stopped)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.sleep(0)
    lanes.run(other)
    await other.over.wait()

    assert other.result == TaskResult()
