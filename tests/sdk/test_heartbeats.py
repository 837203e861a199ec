"""The Core hears of a step's signs of life through its worker, over a stream or by calls. Virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest

from cerebelum import Context, DistributedExecutor, ProgressReporter, Worker, WorkflowBuilder, step, workflow
from cerebelum.embedded import EmbeddedCore
from cerebelum_codegen.runtime import Timestamp
from cerebelum_codegen.runtime.rpc import RpcError, StatusCode
from cerebelum_core import leases
from cerebelum_core.node import Node, NodeConfig
from cerebelum_core.store import MemoryStore
from cerebelum_proto.stream.v1 import stream_pb
from cerebelum_proto.stream.v1.stream_grpc import StreamServiceStub
from tests.simulation.virtual_time import run


class LoopClock:
    def now(self) -> Timestamp:
        return Timestamp.from_ns(1_700_000_000_000_000_000 + int(asyncio.get_running_loop().time() * 1e9))


class NoStreams:
    async def work(self, requests: object) -> AsyncIterator[stream_pb.WorkResponse]:
        raise RpcError(StatusCode.UNIMPLEMENTED, "no such call")
        yield


@step(heartbeat_timeout=timedelta(seconds=6))
async def beats(context: Context[None]) -> int:
    for _ in range(40):
        await asyncio.sleep(0.1)
        context.heartbeat()
    for _ in range(10):
        await asyncio.sleep(5.9)
        context.heartbeat()
    return context.attempt


@step(heartbeat_timeout=timedelta(seconds=6))
async def reports(context: Context[None]) -> int:
    for percent in range(10):
        await asyncio.sleep(5.9)
        await ProgressReporter().update(percent)
    return context.attempt


@workflow
def patient(wf: WorkflowBuilder) -> None:
    wf.timeline(beats >> reports)


@pytest.mark.parametrize("streams", [True, False])
def test_a_step_that_gives_signs_of_life_is_left_alone_by_the_core_too(streams: bool) -> None:
    if not leases.__file__.endswith(".py"):
        pytest.skip("compiled modules call each other directly: nobody can listen in between them")
    told: Counter[str] = Counter()

    async def main() -> None:
        config = NodeConfig(node_id="node", version="test")
        node = Node(config, store=MemoryStore(), clock=LoopClock(), random_bytes=bytes)
        hear = node.router.leases.beat

        def hear_and_count(worker_id: str, task_ids: Iterable[str]) -> None:
            told.update(each.split("/")[1] for each in task_ids)
            hear(worker_id, task_ids)

        node.router.leases.beat = hear_and_count  # type: ignore[method-assign]  # the test listens in
        await node.start()
        core = EmbeddedCore(node)
        if not streams:
            core.workers = replace(core.workers, _stream=cast("StreamServiceStub", NoStreams()))
        worker = Worker(core, workflows=[patient])
        working = asyncio.create_task(worker.run())
        result = await DistributedExecutor(core).execute(patient)
        assert result.output == 1, "the first try of each step did"
        events = [type(each.fact).__name__ async for each in core.executions.history(result.execution_id)]
        assert events == ["ExecutionStarted", "StepCompleted", "StepCompleted", "ExecutionCompleted"]
        worker.stop()
        await working
        await node.stop()

    run(main)
    assert told["beats"] <= 14, "40 of them came within 4 s: they are passed on no more than every 2"
    assert told["reports"] >= 9
