"""What may be in living hands after a restart waits for their word, for as long as their kind may be silent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from cerebelum.embedded import EmbeddedCore
from cerebelum_client import execute_request, to_payload
from cerebelum_core.node import Node, NodeConfig
from cerebelum_core.offers import Kind
from cerebelum_core.recovery import RecoveryGates
from cerebelum_core.store import MemoryStore
from cerebelum_proto.worker import worker_service_pb as pb
from tests.core.hands import HandClock
from tests.simulation.virtual_time import in_virtual_time

DEPLOYED = pb.Blueprint(
    workflow_module="old", definition=pb.WorkflowDefinition(timeline=[pb.Step(name="a"), pb.Step(name="b")])
)


async def on(store: MemoryStore, scene: Callable[[EmbeddedCore], Awaitable[None]]) -> None:
    """Play a scene with a Core on a store."""
    config = NodeConfig(node_id="node", version="test")
    node = Node(config, store=store, clock=HandClock(), random_bytes=bytes)
    await node.start()
    await scene(EmbeddedCore(node))
    await node.drain()


async def register(core: EmbeddedCore, worker_id: str) -> None:
    """A deployed worker: it announces what it can run, and nothing of what it can do."""
    await core.workers.register(pb.RegisterRequest(worker_id=worker_id, capabilities=["a", "b"]))


@in_virtual_time
async def test_a_step_of_a_deployed_worker_that_outlasts_a_restart_is_not_run_twice() -> None:
    store, handed = MemoryStore(), list[pb.Task]()

    async def before(core: EmbeddedCore) -> None:
        await core.submit_blueprint(DEPLOYED)
        await register(core, "slow")
        await register(core, "idle")
        await core.executions.start(execute_request("old", to_payload(1), execution_id="x"))
        handed.append(await core.workers.poll("slow", 0))

    async def after(core: EmbeddedCore) -> None:
        polling = asyncio.create_task(core.workers.poll("idle", 30_000))
        await asyncio.sleep(200)
        assert not (await polling).task_id, "the other one may have it, and tells nothing while it works"
        (told,) = await core.lifecycle.explain("x")
        assert "may have it" in told.message
        result = pb.TaskResult(
            task_id=handed[0].task_id,
            execution_id="x",
            worker_id="slow",
            status=pb.TaskStatus.SUCCESS,
            result={"ok": 1},
        )
        assert (await core.workers.submit_result(result)).outcome is pb.ResultOutcome.RESULT_OUTCOME_RECORDED
        assert (await core.workers.poll("idle", 0)).step_name == "b"

    await on(store, before)
    await on(store, after)
    assert handed[0].step_name == "a"


@in_virtual_time
async def test_a_deployed_worker_that_asks_for_a_task_has_none_any_more() -> None:
    store = MemoryStore()

    async def before(core: EmbeddedCore) -> None:
        await core.submit_blueprint(DEPLOYED)
        await register(core, "w")
        await core.executions.start(execute_request("old", to_payload(1), execution_id="x"))
        assert (await core.workers.poll("w", 0)).step_name == "a"

    async def after(core: EmbeddedCore) -> None:
        assert (await core.workers.poll("w", 1_000)).step_name == "a"

    await on(store, before)
    await on(store, after)


class Gate:
    """The gate of our workers, and whether it is open."""

    def __init__(self, *expected: str, at_most_s: float = 30) -> None:
        self.opened = 0
        self.gate = RecoveryGates(self._open)
        self.gate.expect({Kind.OURS: list(expected), Kind.FOREIGN: []}, {Kind.OURS: at_most_s, Kind.FOREIGN: at_most_s})

    def _open(self, kind: Kind) -> None:
        self.opened += kind is Kind.OURS


@in_virtual_time
async def test_the_gate_opens_once_everything_is_read_and_every_worker_has_spoken() -> None:
    it = Gate("v", "w")
    it.gate.spoke("v")
    it.gate.all_read()
    assert it.opened == 0
    it.gate.spoke("w")
    assert it.opened == 1


@in_virtual_time
async def test_it_does_not_open_before_everything_is_read_though_all_have_spoken() -> None:
    it = Gate("v")
    it.gate.spoke("v")
    await asyncio.sleep(100)
    assert it.opened == 0
    it.gate.all_read()
    assert it.opened == 1


@in_virtual_time
async def test_silent_workers_are_waited_for_during_one_lease() -> None:
    it = Gate("v", "gone")
    it.gate.all_read()
    it.gate.spoke("v")
    await asyncio.sleep(29)
    assert it.opened == 0
    await asyncio.sleep(2)
    assert it.opened == 1


@in_virtual_time
async def test_it_opens_once() -> None:
    it = Gate("v")
    it.gate.all_read()
    for _ in range(3):
        it.gate.spoke("v")
    await asyncio.sleep(100)
    assert it.opened == 1


@in_virtual_time
async def test_a_core_that_stops_opens_it_no_more() -> None:
    it = Gate("v")
    it.gate.close()
    it.gate.all_read()
    it.gate.spoke("v")
    await asyncio.sleep(100)
    assert it.opened == 0
