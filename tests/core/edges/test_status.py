"""What a status tells."""

from __future__ import annotations

import asyncio

from cerebelum_core.store import Append, MemoryStore
from cerebelum_proto.control.v1 import control_pb, lifecycle_pb
from cerebelum_proto.worker import worker_service_pb as pb
from tests.core.edges.streams import HERE, memory_core


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
