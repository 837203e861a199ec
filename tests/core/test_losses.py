"""What a worker that died with its Core, in one process or beside it, had in hand counts as lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from cerebelum.embedded import EmbeddedCore
from cerebelum_client import execute_request, to_payload
from cerebelum_codegen.runtime.rpc import RequestContext
from cerebelum_core.node import Node, NodeConfig
from cerebelum_core.store import MemoryStore
from cerebelum_engine.policies import MAX_LOSSES
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.worker import worker_service_pb as pb
from tests.core.hands import HandClock
from tests.simulation.virtual_time import in_virtual_time

FLOW = pb.Blueprint(
    workflow_module="flow",
    definition=pb.WorkflowDefinition(timeline=[pb.Step(name="a")], stages=[pb.Stage(steps=["a"])]),
)
FEATURES = [pb.WorkerFeature.WORKER_FEATURE_MARKERS, pb.WorkerFeature.WORKER_FEATURE_PAYLOADS]


@dataclass
class Life:
    """One process with a Core and a worker in it, on a store that outlives it."""

    core: EmbeddedCore
    worker_id: str
    incarnation: str = ""

    async def work(self, blueprint: pb.Blueprint = FLOW, *, concurrency: int = 1) -> list[str]:
        """Register, and take what there is to do, up to so many tasks at once; their executions."""
        version = await self.core.submit_blueprint(blueprint)
        request = pb.RegisterRequest(
            worker_id=self.worker_id,
            features=FEATURES,
            workflows=[pb.WorkflowVersion(workflow_module="flow", workflow_hash=version.workflow_hash)],
            concurrency=concurrency,
            incarnation=self.incarnation,
        )
        await self.core.workers.register(request)
        tasks = [await self.core.workers.poll(self.worker_id, 60_000) for _ in range(concurrency)]
        return [task.execution_id for task in tasks if task.task_id]

    async def work_at_last(self) -> list[str]:
        """The same, and wait for it as long as workers that are gone may be silent."""
        for _ in range(3):
            if taken := await self.work():
                return taken
        return []

    async def start(self, *execution_ids: str) -> None:
        await self.core.submit_blueprint(FLOW)
        for execution_id in execution_ids:
            await self.core.executions.start(execute_request("flow", to_payload(1), execution_id=execution_id))


class Lives:
    """One such process after the other: each is killed, and the next one knows it. Or a Core and a worker beside it."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self._count = 0

    @asynccontextmanager
    async def one(
        self, *, known_as_ended: bool = True, beside: str = "", incarnation: str | None = None
    ) -> AsyncIterator[Life]:
        """`beside`: the name of the worker that has a process of its own."""
        self._count += 1
        config = NodeConfig(node_id=f"node-{self._count}", version="test")
        node = Node(config, store=self.store, clock=HandClock(), random_bytes=bytes)
        await node.start()
        name, number = beside or f"worker-{self._count}", str(self._count)
        context = RequestContext() if beside else None
        yield Life(EmbeddedCore(node, context=context), name, number if incarnation is None else incarnation)
        await node.drain()
        self.store.ended_node = config.node_id if known_as_ended else ""

    async def facts(self, execution_id: str) -> list[ev.Event_Fact | None]:
        return [event.fact for event in await self.store.read(execution_id)][1:]

    async def losses(self, execution_id: str) -> int:
        return sum(isinstance(fact, ev.AttemptLost) for fact in await self.facts(execution_id))


@in_virtual_time
async def test_a_step_that_kills_its_own_process_becomes_a_dead_letter(caplog: pytest.LogCaptureFixture) -> None:
    lives = Lives()
    async with lives.one() as life:
        await life.start("x")
        assert await life.work() == ["x"]
    for _ in range(MAX_LOSSES - 1):
        async with lives.one() as life:
            assert await life.work() == ["x"]
    async with lives.one() as life:
        assert await life.work() == []
        (told,) = await life.core.lifecycle.explain("x")
        assert "dead letter" in told.message
    *lost, dead = await lives.facts("x")
    assert [type(each) for each in lost] == [ev.AttemptLost] * (MAX_LOSSES - 1)
    assert isinstance(dead, ev.StepDeadLettered)
    assert dead.worker_id == f"worker-{MAX_LOSSES}"
    assert "step 'a' of execution 'x' is a dead letter" in caplog.text


@in_virtual_time
async def test_no_more_count_as_lost_than_the_worker_runs_at_once_and_these_are_handed_out_first() -> None:
    lives = Lives()
    async with lives.one() as life:
        await life.start(*"uvwxyz")
        assert await life.work(concurrency=2) == ["u", "v"]
    async with lives.one() as life:
        assert await life.work(concurrency=3) == ["u", "v", "w"]
    assert [await lives.losses(each) for each in "uvwxyz"] == [1, 1, 0, 0, 0, 0]
    async with lives.one() as life:
        assert await life.work(concurrency=6) == [*"uvwxyz"]
    assert [await lives.losses(each) for each in "uvwxyz"] == [2, 2, 1, 0, 0, 0]


@in_virtual_time
async def test_what_the_worker_could_not_run_or_was_not_to_run_is_not_lost_with_it() -> None:
    lives = Lives()
    async with lives.one() as life:
        await life.start("held", "asleep")
        other = pb.Blueprint(workflow_module="flow", definition=pb.WorkflowDefinition(timeline=[pb.Step(name="b")]))
        await life.core.lifecycle.pause("asleep", paused_by="Ada")
        assert await life.work(other) == []
    async with lives.one() as life:
        assert await life.work() == ["held"]
    assert await lives.losses("held") == 0
    async with lives.one() as life:
        assert await life.work() == ["held"]
    assert await lives.losses("held") == 1
    assert await lives.losses("asleep") == 0


@in_virtual_time
async def test_a_worker_that_took_leave_had_nothing_in_hand() -> None:
    lives = Lives()
    async with lives.one() as life:
        await life.start("x")
        assert await life.work() == ["x"]
        await life.core.workers.unregister(life.worker_id, "it is late")
    async with lives.one() as life:
        assert await life.work() == ["x"]
    assert await lives.losses("x") == 1, "that of its leave"


@in_virtual_time
async def test_where_nobody_knows_whether_the_process_lives_its_tasks_are_lost_once_its_lease_is_over() -> None:
    lives = Lives()
    async with lives.one(known_as_ended=False) as life:
        await life.start("x")
        assert await life.work() == ["x"]
    async with lives.one() as life:
        assert await life.work() == [], "for a poll of 30 s"
        await asyncio.sleep(1)
        assert await life.work() == ["x"]
    assert await lives.losses("x") == 1
    assert [each.worker_id for each in await lives.store.workers()] == ["worker-2"], "it counts once"


@pytest.mark.parametrize("name", ["the same worker", "worker {number}"], ids=["under one name", "under another name"])
@in_virtual_time
async def test_a_step_that_kills_its_core_and_the_worker_beside_it_becomes_a_dead_letter(name: str) -> None:
    lives = Lives()
    for number in range(MAX_LOSSES):
        async with lives.one(beside=name.format(number=number)) as life:
            if number == 0:
                await life.start("x")
            assert await life.work_at_last() == ["x"]
            assert await lives.losses("x") == number
    async with lives.one(beside=name.format(number=MAX_LOSSES)) as life:
        assert await life.work_at_last() == []
        (told,) = await life.core.lifecycle.explain("x")
        assert "dead letter" in told.message
    assert len(await lives.store.workers()) == 1, "each of them counts once"


@pytest.mark.parametrize("incarnation", ["living", ""], ids=["as it says", "as far as anybody knows"])
@in_virtual_time
async def test_a_worker_that_outlives_its_core_has_lost_nothing(incarnation: str) -> None:
    lives = Lives()
    async with lives.one(beside="w", incarnation=incarnation) as life:
        await life.start("x")
        assert await life.work() == ["x"]
    async with lives.one(beside="w", incarnation=incarnation) as life:
        assert await life.work() == ["x"], "its answer had not arrived"
    assert await lives.losses("x") == 0
