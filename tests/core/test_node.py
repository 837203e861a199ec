"""A node as a whole: what its parts do when one execution can go on no more."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.offers import Pool
from cerebelum_proto.control.v1 import lifecycle_pb
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.worker import worker_service_pb as pb
from tests.core.edges.streams import HERE, Core, memory_core
from tests.engine.play import START_NS
from tests.simulation.virtual_time import in_virtual_time


class LoopClock:
    """Goes with the loop."""

    def now(self) -> Timestamp:
        return Timestamp.from_ns(START_NS + int(asyncio.get_running_loop().time() * 1e9))


def set_aside(core: Core, execution_id: str) -> None:
    """Let an execution crash as often as it takes."""
    while core.node.supervisor.is_healthy(execution_id):
        core.node.supervisor.crashed(execution_id, ZeroDivisionError("a bug"))


def said_of(caplog: pytest.LogCaptureFixture, execution_id: str) -> list[str]:
    words = (record.getMessage() for record in caplog.records)
    return [line for line in words if f" {execution_id} " in line or f" {execution_id}/" in line]


@in_virtual_time
async def test_a_due_timer_of_an_execution_that_is_set_aside_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    async with memory_core(clock=LoopClock()) as core:
        request = core.request("x")
        request.options = replace(request.options or pb.ExecutionOptions(), timeout_ms=1_000)
        await core.node.worker_edge.execute_workflow(request, HERE)
        set_aside(core, "x")
        caplog.clear()
        await asyncio.sleep(600)
        assert said_of(caplog, "x") == []
        assert await core.facts("x") == [ev.ExecutionStarted]


@in_virtual_time
async def test_a_lost_task_of_an_execution_that_is_set_aside_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    async with memory_core(clock=LoopClock()) as core, core.worker("w") as worker:
        await core.start("x")
        await worker.task()
        set_aside(core, "x")
        caplog.clear()
        await asyncio.sleep(600)
        assert said_of(caplog, "x") == []
        assert len(core.node.router.leases) == 0


@in_virtual_time
async def test_the_next_start_takes_up_what_was_set_aside() -> None:
    async with memory_core(clock=LoopClock()) as core:
        await core.start("x")
        set_aside(core, "x")
        explained = await core.node.lifecycle_edge.explain(lifecycle_pb.ExplainRequest(execution_id="x"), HERE)
        assert [each.standing for each in explained.explanations] == [lifecycle_pb.Standing.STANDING_QUARANTINED]
    async with memory_core(core.store, LoopClock()) as core, core.worker("w") as worker:
        assert (await worker.task()).task_id == "x/first/1.1.0"


@in_virtual_time
async def test_nothing_is_handed_to_a_worker_that_was_silent_for_so_long_that_it_is_forgotten() -> None:
    async with memory_core(clock=LoopClock()) as core, core.worker("w") as worker:
        listening = asyncio.ensure_future(anext(worker.answers))
        await asyncio.sleep(600)
        assert not core.node.workers.able(Pool(core.workflow_hash))
        await core.start("x")
        assert core.node.router.queued == {Pool(core.workflow_hash): 1}
        listening.cancel()
        await asyncio.wait([listening])
