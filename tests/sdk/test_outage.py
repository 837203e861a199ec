"""A store that cannot write meets every result of a worker: all are tried again, and it is told of in few words."""

from __future__ import annotations

import asyncio

import pytest

from cerebelum import DistributedExecutor, Worker, WorkflowBuilder, step, workflow
from cerebelum.embedded import EmbeddedCore
from cerebelum_core.clock import SystemClock
from cerebelum_core.node import Node, NodeConfig
from tests.core.trouble import Trouble
from tests.simulation.virtual_time import in_virtual_time


@step
async def charge(inputs: int) -> int:
    await asyncio.sleep(5)
    return inputs


@workflow
def payment(wf: WorkflowBuilder) -> None:
    wf.timeline(charge)


@in_virtual_time
async def test_an_outage_that_meets_many_results_is_told_of_once_and_none_of_them_is_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Trouble()
    node = Node(NodeConfig(node_id="node", version="test"), store=store, clock=SystemClock(), random_bytes=bytes)
    await node.start()
    core = EmbeddedCore(node)
    worker, executor = Worker(core, workflows=[payment], chance=lambda: 1.0), DistributedExecutor(core)
    working = asyncio.create_task(worker.run())
    handles = [await executor.submit(payment, number) for number in range(10)]
    store.fates = ["fails"] * 55
    assert [(await handle.result()).output for handle in handles] == list(range(10))
    assert store.fates == []
    assert len([each for each in caplog.records if "is tried again" in each.message]) == 1
    worker.stop()
    await working
    await node.stop()
