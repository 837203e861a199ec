"""A step that blocks its worker is told of, since nothing else tells why its results do not count. Virtual time."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from cerebelum import DistributedExecutor, Worker, WorkflowBuilder, step, workflow
from cerebelum.embedded import embedded_core
from tests.simulation.virtual_time import VirtualTimeLoop, in_virtual_time


@step
async def settle(inputs: int) -> int:
    cast("VirtualTimeLoop", asyncio.get_running_loop()).pass_time(inputs)  # as `time.sleep` does
    return inputs


@step
async def rest(settle: int) -> int:
    await asyncio.sleep(settle)
    return settle


@workflow
def payment(wf: WorkflowBuilder) -> None:
    wf.timeline(settle >> rest)


async def standstills(seconds: int, told: pytest.LogCaptureFixture) -> list[str]:
    async with embedded_core("memory://") as core:
        worker = Worker(core, workflows=[payment], chance=lambda: 1.0)
        working = asyncio.create_task(worker.run())
        assert (await DistributedExecutor(core).execute(payment, seconds)).output == seconds
        worker.stop()
        await working
    return [each.message for each in told.records if "stood still" in each.message]


@in_virtual_time
async def test_a_step_that_blocks_its_worker_for_longer_than_its_lease_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    (told,) = await standstills(45, caplog)
    assert told.startswith("the worker stood still for 35.0 s or longer, with settle in hand: an `async def` step")


@in_virtual_time
async def test_a_step_that_awaits_or_blocks_for_a_moment_is_not(caplog: pytest.LogCaptureFixture) -> None:
    assert await standstills(11, caplog) == []
