"""From a lease to a task: what has moved on meanwhile is handed to nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from cerebelum_client.client import MAX_ANSWER_BYTES
from cerebelum_core.edges.handouts import MOST_BYTES
from cerebelum_core.edges.work_session import FRAME_BYTES
from cerebelum_core.errors import StoreUnavailable
from cerebelum_core.store import Append, MemoryStore
from cerebelum_engine import Terminate
from cerebelum_proto.events.v1.events_pb import Event
from cerebelum_proto.stream.v1 import stream_pb
from cerebelum_proto.types.v1.types_pb import Payload
from tests.core.edges.streams import Core, memory_core
from tests.simulation.virtual_time import in_virtual_time


class SlowReads(MemoryStore):
    """Some answers take long to arrive: they are old by then. Others do not come."""

    def __init__(self) -> None:
        super().__init__()
        self.delays_s: list[float] = []
        self.is_away = False

    async def read(self, execution_id: str, *, after_version: int = 0, limit: int | None = None) -> Sequence[Event]:
        if self.is_away:
            raise StoreUnavailable("the disk does not answer")
        found = await super().read(execution_id, after_version=after_version, limit=limit)
        await asyncio.sleep(self.delays_s.pop(0) if self.delays_s else 0)
        return found


async def start_and_forget(core: Core, execution_id: str) -> None:
    """Start an execution, and let it leave memory as if there had been too many of them."""
    await core.start(execution_id)
    core.node.registry._live.clear()


@in_virtual_time
async def test_a_task_that_moves_on_while_its_execution_is_read_is_not_handed_out() -> None:
    async with memory_core(store := SlowReads()) as core, core.worker("w", room=0):
        node = core.node
        worker = node.workers.seen("w")
        assert worker is not None
        await core.start("x")
        lease = await node.router.poll("w", worker.pools, 0, 30)
        assert lease is not None
        node.registry._live.clear()  # as if there had been too many of them
        store.delays_s.append(10)
        handing = asyncio.create_task(node.worker_edge.handouts.task(lease, worker))
        await asyncio.sleep(1)
        await node.registry.tell("x", Terminate())
        assert await handing is None


@in_virtual_time
async def test_a_task_that_cannot_be_read_is_handed_out_once_it_can_be() -> None:
    async with memory_core(store := SlowReads()) as core:
        await start_and_forget(core, "x")
        store.is_away = True
        async with core.worker("w") as worker:
            listening = asyncio.ensure_future(anext(worker.answers))
            await asyncio.sleep(10)  # without a rest in between, no time would pass
            assert not listening.done()
            store.is_away = False
            assert [task.step_name for task in (await listening).tasks] == ["first"]


@in_virtual_time
async def test_nothing_waits_for_a_task_that_is_long_in_reading() -> None:
    async with memory_core(store := SlowReads()) as core:
        await start_and_forget(core, "long")
        store.delays_s.append(20)
        async with core.worker("w") as worker:
            await asyncio.sleep(1)
            await core.start("short")
            assert (await worker.task()).execution_id == "short"


@in_virtual_time
async def test_what_was_read_for_a_worker_that_is_gone_is_for_others() -> None:
    async with memory_core(store := SlowReads()) as core:
        await start_and_forget(core, "x")
        store.delays_s.append(20)
        async with core.worker("w") as worker:
            listening = asyncio.ensure_future(anext(worker.answers))
            await asyncio.sleep(1)
            listening.cancel()
            await asyncio.wait([listening])
        async with core.worker("other") as other:
            assert (await other.task()).execution_id == "x"


@in_virtual_time
async def test_a_worker_that_seems_gone_again_is_handed_all_that_it_has_room_for_once_it_speaks() -> None:
    async with memory_core(store := SlowReads()) as core:
        await start_and_forget(core, "x")
        store.delays_s.append(20)
        async with core.worker("w", room=2) as worker:
            listening = asyncio.ensure_future(anext(worker.answers))
            await asyncio.sleep(1)
            core.node.router.dismiss("w")
            await core.node.registry.tell("x", Terminate())
            assert (await listening).lost_task_ids
            await asyncio.sleep(20)  # it has moved on while it was read, which leaves room for another
            core.node.router.dismiss("w")
            await core.start("e0")
            await core.start("e1")
            worker.say(stream_pb.WorkRequest(beat=True))
            assert [task.execution_id for task in (await worker.hear()).tasks] == ["e0", "e1"]


def bytes_of(size: int) -> Payload:
    return Payload(encoding="binary", data=b"x" * size)


class FailingWrites(MemoryStore):
    """Some appends are not made."""

    fails = 0

    async def append(self, append: Append) -> None:
        if self.fails:
            self.fails -= 1
            raise StoreUnavailable("the disk does not answer")
        await super().append(append)


async def test_a_step_that_takes_more_than_a_worker_can_be_handed_fails_and_holds_up_no_other() -> None:
    async with memory_core() as core, core.worker("w") as worker:
        await core.start("large", bytes_of(MOST_BYTES + 1))
        await core.start("small")
        assert (await worker.task()).execution_id == "small"
        state = await core.node.registry.settled_state("large")
    assert state.failure is not None
    assert state.failure.kind == "task_too_large"
    assert f"what step 'first' takes has {MOST_BYTES + 1} bytes together" in state.failure.message


async def test_a_task_as_large_as_may_be_fits_into_what_our_clients_take_whatever_comes_before_it() -> None:
    async with memory_core() as core:
        await core.start("one", bytes_of(FRAME_BYTES - 1))
        await core.start("two", bytes_of(MOST_BYTES))
        async with core.worker("w", room=2) as worker:
            frame = await worker.hear()
    assert [task.execution_id for task in frame.tasks] == ["one", "two"]
    assert len(frame.to_bytes()) < MAX_ANSWER_BYTES


@in_virtual_time
async def test_a_task_that_is_too_large_fails_once_that_can_be_recorded() -> None:
    async with memory_core(store := FailingWrites()) as core, core.worker("w") as worker:
        await core.start("large", bytes_of(MOST_BYTES + 1))
        store.fails = 6
        listening = asyncio.ensure_future(anext(worker.answers))
        await asyncio.sleep(60)
        listening.cancel()
        state = await core.node.registry.settled_state("large")
    assert state.failure is not None
    assert state.failure.kind == "task_too_large"
