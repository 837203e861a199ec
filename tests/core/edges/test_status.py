"""What a status tells."""

from __future__ import annotations

import asyncio

import pytest

from cerebelum_codegen.runtime.rpc import MAX_MESSAGE_BYTES
from cerebelum_core.store import Append, MemoryStore
from cerebelum_proto.control.v1 import control_pb, lifecycle_pb
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker import worker_service_pb as pb
from tests.core.edges.streams import HERE, ONE, memory_core


class Slow(MemoryStore):
    """What it has written can be read at once; whoever wrote it hears of it when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.written = asyncio.Event()
        self.told = asyncio.Event()
        self.told.set()

    async def append(self, append: Append) -> None:
        await super().append(append)
        self.written.set()
        await self.told.wait()


@pytest.mark.parametrize(("size", "copied"), [(1_000_000, True), (2_200_000, False), (4_150_000, False)])
async def test_what_clients_without_payloads_read_is_left_out_of_a_status_that_it_would_make_too_large(
    size: int, copied: bool
) -> None:
    inputs = Payload(encoding="json", data=b'"' + b"a" * size + b'"')
    async with memory_core() as core:
        await core.node.worker_edge.execute_workflow(core.request("x", inputs), HERE)
        request = pb.GetExecutionStatusRequest(execution_id="x")
        status = await core.node.worker_edge.get_execution_status(request, HERE)

    assert status.exact_inputs == inputs
    assert bool(status.inputs) is copied
    assert len(status.to_bytes()) < MAX_MESSAGE_BYTES


async def test_a_status_tells_results_exactly_and_as_structs() -> None:
    async with memory_core() as core, core.worker("w") as worker:
        await core.start("x")
        worker.finish(await worker.task())
        await worker.recorded()
        request = pb.GetExecutionStatusRequest(execution_id="x")
        status = await core.node.worker_edge.get_execution_status(request, HERE)

    assert status.outputs == {"first": ONE}
    assert status.inputs == status.step_outputs["first"] == status.completed_steps[0].output == {"value": 1}


async def test_a_status_is_never_behind_a_history_that_was_read() -> None:
    store = Slow()
    async with memory_core(store) as core:
        await core.start("x")
        store.written.clear()
        store.told.clear()
        pausing = asyncio.create_task(core.node.lifecycle_edge.pause(lifecycle_pb.PauseRequest(execution_id="x"), HERE))
        await store.written.wait()
        history = core.node.control_edge.get_history(control_pb.GetHistoryRequest(execution_id="x"), HERE)
        seen = [response.event.version async for response in history if response.event]
        asking = asyncio.create_task(
            core.node.worker_edge.get_execution_status(pb.GetExecutionStatusRequest(execution_id="x"), HERE)
        )
        await asyncio.sleep(0)
        store.told.set()
        status = await asking
        await pausing

    assert seen == [1, 2]
    assert status.history_length == 2
