"""Who works here, and how a restart waits for them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from cerebelum_core.errors import StoreUnavailable
from cerebelum_core.offers import Kind, Pool
from cerebelum_core.store import MemoryStore, WorkerRecord
from cerebelum_core.workers import WorkerRegistry, pools_of
from cerebelum_proto.worker.worker_service_pb import RegisterRequest, WorkerFeature, WorkflowVersion
from tests.core.hands import HandClock
from tests.simulation.virtual_time import in_virtual_time

OURS = RegisterRequest(
    worker_id="ours",
    features=[WorkerFeature.WORKER_FEATURE_MARKERS],
    workflows=[WorkflowVersion(workflow_module="order", workflow_hash="hash")],
    held_task_ids=["x/a"],
)
DEPLOYED = RegisterRequest(worker_id="old", capabilities=["a", "b"])


class Refusing(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.refuses = True
        self.puts = 0

    async def put_worker(self, record: WorkerRecord) -> None:
        self.puts += 1
        if self.refuses:
            raise StoreUnavailable("not now")
        await super().put_worker(record)

    async def remove_worker(self, worker_id: str) -> None:
        if self.refuses:
            raise StoreUnavailable("not now")
        await super().remove_worker(worker_id)


def test_our_workers_are_found_by_blueprint_and_deployed_ones_by_the_names_of_steps() -> None:
    assert pools_of(OURS) == (Pool(blueprint_hash="hash"),)
    assert pools_of(DEPLOYED) == (Pool(step="a"), Pool(step="b"))


def test_a_worker_is_found_in_each_queue_that_it_serves_and_a_deployed_one_in_the_default_one() -> None:
    served = pools_of(replace(OURS, queues=["gpu", "default", "gpu"]))
    assert served == (Pool("hash", "", "gpu"), Pool("hash", "", "default"))
    assert pools_of(replace(DEPLOYED, queues=["gpu"])) == (Pool(step="a"), Pool(step="b"))


@in_virtual_time
async def test_workers_are_known_after_a_restart() -> None:
    store = MemoryStore()
    registry = WorkerRegistry(store, HandClock(), "node")
    await registry.register(OURS)
    await registry.register(DEPLOYED)
    await registry.forget("old")
    again = WorkerRegistry(store, HandClock(), "node")
    assert await again.load() == {Kind.OURS: ["ours"], Kind.FOREIGN: []}
    worker = again.seen("ours")
    assert worker is not None
    assert not worker.foreign
    assert worker.registration.held_task_ids == []


@in_virtual_time
async def test_a_worker_in_the_process_of_its_core_is_expected_back_unless_that_process_has_ended() -> None:
    store = MemoryStore()
    registry = WorkerRegistry(store, HandClock(), "first")
    await registry.register(OURS, here=True)
    await registry.register(replace(OURS, worker_id="elsewhere", node_id="first"))
    for ended in ("", "another"):
        store.ended_node = ended
        assert (await WorkerRegistry(store, HandClock(), "next").load())[Kind.OURS] == ["elsewhere", "ours"]
    store.ended_node = "first"
    for _ in range(2):
        assert (await WorkerRegistry(store, HandClock(), "next").load())[Kind.OURS] == ["elsewhere"]
        store.ended_node = "next"


@in_virtual_time
async def test_a_registration_that_could_not_be_kept_is_kept_when_the_worker_tries_again() -> None:
    store = Refusing()
    registry = WorkerRegistry(store, HandClock(), "node")
    with pytest.raises(StoreUnavailable):
        await registry.register(OURS)
    assert registry.seen("ours") is None
    store.refuses = False
    await registry.register(OURS)
    assert [record.worker_id for record in await store.workers()] == ["ours"]


@in_virtual_time
async def test_a_worker_that_says_the_same_again_is_not_written_again() -> None:
    store = Refusing()
    store.refuses = False
    registry = WorkerRegistry(store, HandClock(), "node")
    for _ in range(5):
        await registry.register(OURS)
    assert store.puts == 1


@in_virtual_time
async def test_a_leave_that_could_not_be_written_is_no_leave_yet() -> None:
    store = Refusing()
    store.refuses = False
    registry = WorkerRegistry(store, HandClock(), "node")
    await registry.register(OURS)
    store.refuses = True
    with pytest.raises(StoreUnavailable):
        await registry.forget("ours")
    assert registry.seen("ours") is not None


@in_virtual_time
async def test_a_worker_may_be_silent_for_as_long_as_its_kind_may() -> None:
    registry = WorkerRegistry(MemoryStore(), HandClock(), "node")
    await registry.register(OURS)
    await registry.register(DEPLOYED)
    await asyncio.sleep(61)
    assert registry.silent_for(60, 600) == ["ours"]
    registry.seen("ours")
    assert registry.silent_for(60, 600) == []
