"""Tests of lanes: steps that do not wait share a task, and no step can tell."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from cerebelum import ProgressReporter, WorkflowBuilder, step, workflow
from cerebelum.hands import Hands, Held
from cerebelum.lane import Lane
from cerebelum.step import Timeline
from cerebelum.threads import Threads
from cerebelum_client import CerebelumClient
from cerebelum_codegen.runtime import Timestamp
from cerebelum_proto.worker.worker_service_pb import HeartbeatRequest, HeartbeatResponse, Task, TaskStatus

Body = Callable[[], Awaitable[object]]
word = ContextVar("word", default="")
kept: list[asyncio.Task[object]] = []
kept_weakly: list[weakref.ref[asyncio.Task[object]]] = []


class Trial:
    """A step whose task is in a worker's hands."""

    held: Held

    def __init__(self, body: Body, number: int) -> None:
        self.step = step(name=f"step_{number}")(self._run)
        self.task_hash = 0
        self.on_lane = False
        self.over = asyncio.Event()
        self._body = body

    @property
    def succeeded(self) -> bool:
        return self.held.result is not None and self.held.result.status is TaskStatus.SUCCESS

    async def _run(self) -> None:
        self.task_hash, self.on_lane = hash(me()), isinstance(me(), Lane)
        await self._body()


class Stage:
    """A worker's hands that hold one task of each of some steps, as soon as they are put there."""

    def __init__(self, *bodies: Body, expected: bool = False) -> None:
        """`expected` says whether the steps are known to wait."""
        self.trials = [Trial(body, number) for number, body in enumerate(bodies)]

        @workflow
        def all_of_them(wf: WorkflowBuilder) -> None:
            wf.timeline(Timeline.of([trial.step for trial in self.trials]))

        self._workflow = all_of_them
        self._numbers = count()
        all_of_them.code.waiting.update(trial.step.name for trial in self.trials if expected)
        self.hands = Hands(
            "w", {all_of_them.hash: all_of_them}, Timestamp, 10, CerebelumClient("127.0.0.1:1"), Threads()
        )

    def put(self, trial: Trial) -> None:
        name = trial.step.name
        task = Task(task_id=f"{name}/{next(self._numbers)}", workflow_hash=self._workflow.hash, step_name=name)
        held = self.hands.run(task, nothing, lambda _: None, lambda _: trial.over.set())
        assert held is not None
        trial.held = held


def begin(*bodies: Body, expected: bool = False) -> list[Trial]:
    stage = Stage(*bodies, expected=expected)
    for trial in stage.trials:
        stage.put(trial)
    return stage.trials


async def run(*bodies: Body, expected: bool = False) -> list[Trial]:
    trials = begin(*bodies, expected=expected)
    for trial in trials:
        await trial.over.wait()
    return trials


both_ways = pytest.mark.parametrize("expected", [False, True])


def me() -> asyncio.Task[object]:
    return asyncio.current_task() or pytest.fail("no task runs this")


async def nothing() -> None:
    pass


async def pause() -> None:
    await asyncio.sleep(0)


async def test_steps_that_do_not_wait_share_a_task() -> None:
    trials = await run(nothing, nothing, nothing)

    assert len({trial.task_hash for trial in trials}) == 1
    assert all(trial.succeeded for trial in trials)


@both_ways
async def test_a_step_that_waits_keeps_its_task_and_holds_up_nobody(expected: bool) -> None:
    gate = asyncio.Event()
    waits, goes = begin(gate.wait, nothing, expected=expected)

    await goes.over.wait()
    assert not waits.held.done
    gate.set()
    await waits.over.wait()

    assert waits.task_hash != goes.task_hash
    assert waits.succeeded


async def keep() -> None:
    kept.append(me())


async def keep_weakly() -> None:
    kept_weakly.append(weakref.ref(me()))


async def watch() -> None:
    me().add_done_callback(lambda _: None)


async def rename() -> None:
    me().set_name("mine")


@pytest.mark.parametrize("leave_a_trace", [keep, keep_weakly, watch, rename])
async def test_a_step_that_leaves_a_trace_on_its_task_is_the_last_on_it(leave_a_trace: Body) -> None:
    first, second = await run(leave_a_trace, nothing)

    assert first.task_hash != second.task_hash
    kept.clear()
    kept_weakly.clear()


async def test_who_keeps_the_task_of_a_step_that_ended_interrupts_no_other() -> None:
    async def strike() -> None:
        kept.pop().cancel()
        await pause()

    _, second = await run(keep, strike)

    assert second.succeeded


@both_ways
async def test_a_step_that_cancels_itself_and_goes_on_to_its_end_has_come_to_it(expected: bool) -> None:
    async def cancel_myself() -> None:
        me().cancel()

    first, second = await run(cancel_myself, pause, expected=expected)

    assert first.succeeded
    assert second.succeeded


@both_ways
async def test_each_step_sees_the_context_variables_of_its_worker_and_none_of_the_others(expected: bool) -> None:
    found: list[str] = []

    async def say(mine: str) -> None:
        found.append(word.get())
        token = word.set(mine)
        await pause()
        found.append(word.get())
        word.reset(token)

    async def say_at_once() -> None:
        found.append(word.get())
        word.set("at once")

    word.set("outer")
    await run(say_at_once, lambda: say("b"), say_at_once, lambda: say("d"), expected=expected)

    assert found == ["outer", "outer", "outer", "outer", "b", "d"]


@both_ways
async def test_a_step_that_waits_is_cancelled_as_a_task_is_and_may_clean_up(expected: bool) -> None:
    begun, cleaned = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    (trial,) = begin(wait, expected=expected)
    await begun.wait()
    trial.held.cancel()
    await trial.over.wait()

    assert cleaned.is_set()
    assert trial.held.result is None


@both_ways
async def test_a_step_that_hears_that_it_is_to_stop_when_it_tells_how_far_it_is_is_interrupted_there(
    expected: bool,
) -> None:
    went_on: list[bool] = []

    async def tell() -> None:
        await ProgressReporter().update(50)
        went_on.append(True)

    class Asked:
        async def heartbeat(self, request: HeartbeatRequest) -> HeartbeatResponse:
            return HeartbeatResponse(cancelled_task_ids=request.held_task_ids)

    stage = Stage(tell, expected=expected)
    core: Any = SimpleNamespace(workers=Asked())
    stage.hands.core = core
    (trial,) = stage.trials
    stage.put(trial)
    await trial.over.wait()

    assert not went_on
    assert trial.held.result is not None
    assert trial.held.result.status is TaskStatus.CANCELLED


@both_ways
async def test_a_step_that_is_cancelled_before_it_begins_never_does(expected: bool) -> None:
    cancelled, other = begin(nothing, nothing, expected=expected)
    cancelled.held.cancel()
    await asyncio.gather(cancelled.over.wait(), other.over.wait())

    assert cancelled.held.done
    assert (cancelled.task_hash, cancelled.held.result) == (0, None)


@both_ways
async def test_time_limits_and_task_groups_work_in_a_step(expected: bool) -> None:
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

    trials = await run(late, grouped, in_time, nothing, expected=expected)

    assert all(trial.succeeded for trial in trials)
    assert (trials[2].task_hash == trials[3].task_hash) is not expected


def test_a_step_that_ends_its_process_does_so_and_leaves_the_others_to_a_new_lane() -> None:
    async def end() -> None:
        raise KeyboardInterrupt

    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        stage = Stage(end, nothing)
        ending, other = stage.trials
        loop.call_soon(stage.put, ending)
        loop.call_soon(stage.put, other)
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()
        loop.run_until_complete(other.over.wait())

    assert ending.held.result is None
    assert other.succeeded


async def test_steps_go_on_when_somebody_cancels_every_task_there_is() -> None:
    stage = Stage(nothing, nothing)
    stopped, other = stage.trials
    stage.put(stopped)
    for task in asyncio.all_tasks() - {me()}:
        task.cancel()
    await pause()
    stage.put(other)
    await other.over.wait()

    assert other.succeeded


@both_ways
async def test_a_step_that_is_cancelled_along_with_its_worker_has_not_failed(expected: bool) -> None:
    begun = asyncio.Event()

    async def wait() -> None:
        begun.set()
        await asyncio.Event().wait()

    stage = Stage(wait, expected=expected)
    stage.hands.owner = asyncio.create_task(asyncio.sleep(1_000))
    (trial,) = stage.trials
    stage.put(trial)
    await begun.wait()
    for task in asyncio.all_tasks() - {me()}:
        task.cancel()
    await trial.over.wait()

    assert trial.held.result is None


def test_steps_that_take_long_let_others_have_their_turn() -> None:
    class Clocked(asyncio.SelectorEventLoop):
        now = 0.0

        def time(self) -> float:
            return self.now

    order: list[str] = []
    loop = Clocked()

    async def take_long() -> None:
        order.append("step")
        loop.now += 1.0

    async def play() -> None:
        trials = begin(take_long, take_long)
        loop.call_soon(order.append, "another")
        for trial in trials:
            await trial.over.wait()

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(play())

    assert order == ["step", "another", "step"]


async def test_a_step_that_waited_has_a_task_of_its_own_the_next_time_for_as_long_as_it_waits() -> None:
    waits = True
    stage = Stage(lambda: pause() if waits else nothing())
    (trial,) = stage.trials

    async def on_lane() -> bool:
        trial.over.clear()
        stage.put(trial)
        await trial.over.wait()
        return trial.on_lane

    assert [await on_lane() for _ in range(3)] == [True, False, False]
    waits = False
    while not await on_lane():
        pass
    assert await on_lane()


async def test_where_a_loop_has_a_task_factory_it_makes_the_task_of_every_step() -> None:
    made: list[asyncio.Task[object]] = []

    def make(loop: asyncio.AbstractEventLoop, work: Coroutine[object, None, object]) -> asyncio.Task[object]:
        made.append(asyncio.Task(work, loop=loop))
        return made[-1]

    loop = asyncio.get_running_loop()
    loop.set_task_factory(make)  # type: ignore[arg-type]  # it is told of no context, and none is given
    trials = await run(nothing, pause)
    loop.set_task_factory(None)

    assert [hash(task) for task in made] == [trial.task_hash for trial in trials]
    assert all(trial.succeeded for trial in trials)
