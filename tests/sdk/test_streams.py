"""Workers and callers on streams that break, and with a Core that has none: nothing is lost, no step runs twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from cerebelum import DistributedExecutor, ExecutionResult, Worker, WorkflowBuilder, step, workflow
from cerebelum.embedded import EmbeddedCore, embedded_core
from cerebelum.execution_stream import ExecutionStream
from cerebelum_client import AlreadyExists, CoreUnavailable, NotFound, Unsupported
from cerebelum_client import core as client
from cerebelum_codegen.runtime.rpc import MAX_MESSAGE_BYTES, StatusCode
from cerebelum_proto.stream.v1.stream_pb import (
    ExecuteRequest,
    ExecuteResponse,
    StartRefusal,
    WorkRequest,
    WorkResponse,
)
from cerebelum_proto.worker import worker_service_pb as pb
from cerebelum_proto.worker.worker_service_pb import ExecutionStatus
from tests.simulation.virtual_time import in_virtual_time

_Frame = TypeVar("_Frame")

ran: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def nothing_ran_yet() -> None:
    ran.clear()


@step
async def double(inputs: int) -> int:
    ran[f"double {inputs}"] += 1
    return inputs * 2


@step
async def increase(double: int) -> int:
    ran[f"increase {double}"] += 1
    await asyncio.sleep(0)
    return double + 1


@workflow
def sums(wf: WorkflowBuilder) -> None:
    wf.timeline(double >> increase)


@step
async def grow(inputs: int) -> str:
    return "x" * inputs


@workflow
def growing(wf: WorkflowBuilder) -> None:
    wf.timeline(grow)


@step
async def measure(inputs: str) -> int:
    return len(inputs)


@workflow
def measuring(wf: WorkflowBuilder) -> None:
    wf.timeline(measure)


@dataclass
class Fragile:
    """What cannot be read from what it was written as."""

    number: int

    def __post_init__(self) -> None:
        if self.number > 1:
            raise LookupError("a fault of the caller's own")


@step
async def break_off(inputs: int) -> Fragile:
    fragile = Fragile(0)
    fragile.number = inputs
    return fragile


@workflow
def fragile(wf: WorkflowBuilder) -> None:
    wf.timeline(break_off)


class Core(client.Core):
    """A Core in this process whose streams break after so many frames, or that has none."""

    def __init__(self, core: EmbeddedCore, *, frames: int | None = None, streams: bool = True) -> None:
        self._core = core
        calls: Any = self
        self.workers = self.executions = calls
        self._frames = frames
        self._streams = streams
        self.opened = 0
        self.largest = 0
        """The largest frame of starts, in bytes."""

    def __getattr__(self, name: str) -> object:
        parts = (self._core.workers, self._core.executions, self._core)
        return getattr(next(part for part in parts if hasattr(part, name)), name)

    async def work(self, requests: AsyncIterator[WorkRequest]) -> AsyncGenerator[WorkResponse, None]:
        async for frame in self._limited(self._core.workers.work(requests)):
            yield frame

    async def execute(self, requests: AsyncIterator[ExecuteRequest]) -> AsyncGenerator[ExecuteResponse, None]:
        async for frame in self._limited(self._core.executions.execute(self._weighed(requests))):
            yield frame

    async def _weighed(self, requests: AsyncIterator[ExecuteRequest]) -> AsyncGenerator[ExecuteRequest, None]:
        async for frame in requests:
            self.largest = max(self.largest, len(frame.to_bytes()))
            yield frame

    async def await_result(self, *args: Any, **options: Any) -> ExecutionStatus:
        if not self._streams:
            raise Unsupported("no such call")
        return await self._core.executions.await_result(*args, **options)

    async def _limited(self, frames: AsyncGenerator[_Frame, None]) -> AsyncGenerator[_Frame, None]:
        if not self._streams:
            raise Unsupported("no such call")
        self.opened += 1
        count = 0
        try:
            async for frame in frames:
                if count == self._frames:
                    raise CoreUnavailable("the connection was lost")
                count += 1
                yield frame
        finally:
            await frames.aclose()


@asynccontextmanager
async def working(core: client.Core, **options: Any) -> AsyncIterator[DistributedExecutor]:
    worker = Worker(core, workflows=[sums, growing, measuring, fragile], chance=lambda: 1.0, **options)
    ready = asyncio.Event()
    running = asyncio.create_task(worker.run(ready.set))
    await ready.wait()
    try:
        yield DistributedExecutor(core)
    finally:
        worker.stop()
        await running


async def test_a_hundred_workflows_share_a_stream_and_each_gets_its_own_result() -> None:
    async with embedded_core("memory://") as inner:
        core = Core(inner)
        async with working(core, concurrency=20) as executor, executor.stream() as stream:
            results = await asyncio.gather(*(stream.execute(sums, number) for number in range(100)))

    assert [result.output for result in results] == [number * 2 + 1 for number in range(100)]
    assert core.opened == 2  # the worker's and the caller's


async def test_streams_that_break_again_and_again_lose_nothing_and_run_no_step_twice() -> None:
    async with embedded_core("memory://") as inner:
        core = Core(inner, frames=3)
        async with working(core) as executor, executor.stream() as stream:
            results = await asyncio.gather(*(stream.execute(sums, number) for number in range(12)))

    assert [result.output for result in results] == [number * 2 + 1 for number in range(12)]
    assert core.opened > 3
    assert set(ran.values()) == {1}


class Breaking(Core):
    """A Core whose streams break when it is told so."""

    def __init__(self, core: EmbeddedCore) -> None:
        super().__init__(core)
        self.breaks = asyncio.Event()

    async def work(self, requests: AsyncIterator[WorkRequest]) -> AsyncGenerator[WorkResponse, None]:
        async with aclosing(super().work(requests)) as frames:
            while True:
                coming = asyncio.ensure_future(anext(frames))
                breaking = asyncio.ensure_future(self.breaks.wait())
                await asyncio.wait([coming, breaking], return_when=asyncio.FIRST_COMPLETED)
                for each in (coming, breaking):
                    each.cancel()
                await asyncio.wait([coming, breaking])
                if self.breaks.is_set():
                    self.breaks.clear()
                    raise CoreUnavailable("the connection was lost")
                yield coming.result()


@in_virtual_time
async def test_a_worker_that_leaves_takes_nothing_more_on_the_stream_after_the_one_that_broke() -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    @step
    async def hold(inputs: int) -> None:
        ran[f"hold {inputs}"] += 1
        begun.set()
        await gate.wait()

    @workflow
    def holding(wf: WorkflowBuilder) -> None:
        wf.timeline(hold)

    async with embedded_core("memory://") as inner:
        core = Breaking(inner)
        worker = Worker(core, workflows=[holding], concurrency=1, chance=lambda: 1.0)
        running = asyncio.create_task(worker.run())
        executor = DistributedExecutor(core)
        for number in (1, 2):
            await executor.submit(holding, number)
        await begun.wait()
        worker.stop()
        await asyncio.sleep(1)
        core.breaks.set()
        await asyncio.sleep(5)
        gate.set()
        await running

    assert core.opened == 2
    assert ran == {"hold 1": 1}


async def test_with_a_core_without_streams_a_worker_polls_and_a_caller_follows_the_history() -> None:
    async with embedded_core("memory://") as inner:
        core = Core(inner, streams=False)
        async with working(core) as executor:
            executed = await executor.execute(sums, 3)
            handle = await executor.submit(sums, 4)
            submitted = await handle.result()

    assert (executed.output, submitted.output) == (7, 9)
    assert core.opened == 0


async def test_a_result_that_is_too_large_fails_its_step_and_harms_no_other() -> None:
    async with embedded_core("memory://") as inner, working(Core(inner)) as executor, executor.stream() as stream:
        large, small = await asyncio.gather(stream.execute(growing, MAX_MESSAGE_BYTES), stream.execute(sums, 1))

    assert small.output == 3
    assert large.error is not None
    assert large.error.kind == "ResultRefused"


async def test_starts_with_large_inputs_part_into_frames_and_one_that_is_too_large_for_any_goes_by_itself() -> None:
    sizes = [MAX_MESSAGE_BYTES, *[MAX_MESSAGE_BYTES // 8] * 12, MAX_MESSAGE_BYTES // 2]
    async with embedded_core("memory://") as inner:
        core = Core(inner)
        async with working(core) as executor, executor.stream() as stream:
            results = await asyncio.gather(*(stream.execute(measuring, "x" * size) for size in sizes))

    assert [result.output for result in results] == sizes
    assert core.largest < MAX_MESSAGE_BYTES


async def test_what_cannot_be_started_is_refused_on_a_stream_as_in_a_call() -> None:
    async with embedded_core("memory://") as inner, working(Core(inner)) as executor, executor.stream() as stream:
        await stream.execute(sums, 1, execution_id="e")
        with pytest.raises(AlreadyExists):
            await stream.execute(sums, 2, execution_id="e")
        with pytest.raises(NotFound):
            await stream.execute("unknown")
        with pytest.raises(NotFound):
            await executor.execute("unknown")
        assert (await stream.execute(sums, 1, execution_id="e")).output == 3


async def test_an_output_that_cannot_be_read_is_an_error_of_its_own_execution_alone() -> None:
    async with embedded_core("memory://") as inner, working(Core(inner)) as executor, executor.stream() as stream:
        bad, good, *sums_of = await asyncio.gather(
            stream.execute(fragile, 2),
            stream.execute(fragile, 1),
            *(stream.execute(sums, number) for number in range(10)),
            return_exceptions=True,
        )

    assert isinstance(bad, LookupError)
    assert isinstance(good, ExecutionResult)
    assert good.output == Fragile(1)
    assert all(isinstance(each, ExecutionResult) for each in sums_of)


async def test_a_start_whose_texts_cannot_travel_breaks_nobody_s_stream() -> None:
    not_one: Any = 3
    async with embedded_core("memory://") as inner:
        core = Core(inner)
        async with working(core) as executor, executor.stream() as stream:
            *refused, started = await asyncio.gather(
                stream.execute(sums, 1, tags=["\ud800"]),
                stream.execute(sums, 1, tags=[not_one]),
                stream.execute("\ud800"),
                stream.execute(sums, 1, tags=["fine"]),
                return_exceptions=True,
            )

    assert [str(each) for each in refused] == [
        "an execution: its tag '\\ud800' holds a lone surrogate, which is no text",
        "an execution: its tag is 3: give a text",
        "an execution: its workflow '\\ud800' holds a lone surrogate, which is no text",
    ]
    assert isinstance(started, ExecutionResult)
    assert core.opened == 2


async def test_a_closed_stream_tells_those_who_still_wait_on_it() -> None:
    async with embedded_core("memory://") as inner:
        executor = DistributedExecutor(Core(inner))
        async with executor.stream() as stream:
            waiting = asyncio.create_task(stream.execute(sums, 1))
            await asyncio.sleep(0)
        with pytest.raises(CoreUnavailable):
            await waiting


async def test_a_closed_stream_tells_also_those_whose_start_was_put_off_and_who_comes_later() -> None:
    answered = asyncio.Event()

    class Unable:
        async def execute(self, requests: AsyncIterator[ExecuteRequest]) -> AsyncGenerator[ExecuteResponse, None]:
            async for _ in requests:
                refusal = StartRefusal(number=1, code=StatusCode.UNAVAILABLE.value)
                yield ExecuteResponse(refusals=[refusal])
                answered.set()

    async def request(*_: object, **__: object) -> pb.ExecuteRequest:
        return pb.ExecuteRequest()

    core: Any = SimpleNamespace(executions=Unable())
    stream = ExecutionStream(core, request)
    waiting = asyncio.create_task(stream.execute("any"))
    await answered.wait()
    await stream.close()
    for late in (waiting, stream.execute("any")):
        with pytest.raises(CoreUnavailable, match="the stream was closed"):
            async with asyncio.timeout(5):
                await late


async def test_an_option_that_there_is_none_of_starts_nothing() -> None:
    misspelt: Any = {"exection_id": "order-1"}
    async with embedded_core("memory://") as core, working(core) as executor, executor.stream() as stream:
        for start in (executor.submit, executor.execute, stream.execute):
            with pytest.raises(TypeError, match="exection_id"):
                await start(sums, 1, **misspelt)
        assert not (await core.executions.list()).executions
