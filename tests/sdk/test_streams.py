"""Workers and callers on streams that break, and with a Core that has none: nothing is lost, no step runs twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from cerebelum import DistributedExecutor, Worker, WorkflowBuilder, step, workflow
from cerebelum.embedded import EmbeddedCore, embedded_core
from cerebelum_client import AlreadyExists, CoreUnavailable, NotFound, Unsupported
from cerebelum_client import core as client
from cerebelum_codegen.runtime.rpc import MAX_MESSAGE_BYTES
from cerebelum_proto.stream.v1.stream_pb import ExecuteRequest, ExecuteResponse, WorkRequest, WorkResponse
from cerebelum_proto.worker.worker_service_pb import ExecutionStatus

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


class Core(client.Core):
    """A Core in this process whose streams break after so many frames, or that has none."""

    def __init__(self, core: EmbeddedCore, *, frames: int | None = None, streams: bool = True) -> None:
        self._core = core
        calls: Any = self
        self.workers = self.executions = calls
        self._frames = frames
        self._streams = streams
        self.opened = 0

    def __getattr__(self, name: str) -> object:
        parts = (self._core.workers, self._core.executions, self._core)
        return getattr(next(part for part in parts if hasattr(part, name)), name)

    async def work(self, requests: AsyncIterator[WorkRequest]) -> AsyncGenerator[WorkResponse, None]:
        async for frame in self._limited(self._core.workers.work(requests)):
            yield frame

    async def execute(self, requests: AsyncIterator[ExecuteRequest]) -> AsyncGenerator[ExecuteResponse, None]:
        async for frame in self._limited(self._core.executions.execute(requests)):
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
    worker = Worker(core, workflows=[sums, growing], chance=lambda: 1.0, **options)
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


async def test_a_closed_stream_tells_those_who_still_wait_on_it() -> None:
    async with embedded_core("memory://") as inner:
        executor = DistributedExecutor(Core(inner))
        async with executor.stream() as stream:
            waiting = asyncio.create_task(stream.execute(sums, 1))
            await asyncio.sleep(0)
        with pytest.raises(CoreUnavailable):
            await waiting


async def test_an_option_that_there_is_none_of_starts_nothing() -> None:
    misspelt: Any = {"exection_id": "order-1"}
    async with embedded_core("memory://") as core, working(core) as executor, executor.stream() as stream:
        for start in (executor.submit, executor.execute, stream.execute):
            with pytest.raises(TypeError, match="exection_id"):
                await start(sums, 1, **misspelt)
        assert not (await core.executions.list()).executions
