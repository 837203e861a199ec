"""Limits that the Core holds a task to, and what becomes of cancellations and pauses on their way, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from cerebelum.embedded import EmbeddedCore
from cerebelum_client import execute_request, to_payload
from cerebelum_codegen.runtime import Timestamp
from cerebelum_codegen.runtime.rpc import RequestContext
from cerebelum_core.alarms import Alarms
from cerebelum_core.node import Node, NodeConfig
from cerebelum_core.store import MemoryStore
from cerebelum_proto.control.v1 import lifecycle_pb
from cerebelum_proto.control.v1.lifecycle_pb import Standing
from cerebelum_proto.events.v1.events_pb import AttemptFailed
from cerebelum_proto.types.v1.types_pb import RetryPolicy
from cerebelum_proto.worker import worker_service_pb as pb
from tests.simulation.virtual_time import run

HERE = RequestContext()
START_NS = 1_700_000_000_000_000_000


class LoopClock:
    def now(self) -> Timestamp:
        return Timestamp.from_ns(START_NS + int(asyncio.get_running_loop().time() * 1e9))


def play(scene: Callable[[Node, EmbeddedCore], Awaitable[None]], store: MemoryStore | None = None) -> None:
    async def main() -> None:
        config = NodeConfig(node_id="node", version="test")
        node = Node(config, store=store or MemoryStore(), clock=LoopClock(), random_bytes=bytes)
        await node.start()
        try:
            await scene(node, EmbeddedCore(node))
        finally:
            await node.stop()

    run(main)


async def begin(core: EmbeddedCore, *, worker: bool = True, **policy: Any) -> str:
    step = pb.Step(name="a", **policy)
    definition = pb.WorkflowDefinition(timeline=[step], stages=[pb.Stage(steps=["a"])])
    validation = await core.submit_blueprint(pb.Blueprint(workflow_module="w", definition=definition))
    if worker:
        await register(core, "w1", validation.workflow_hash)
    await core.executions.start(execute_request("w", to_payload(1), execution_id="x"))
    return validation.workflow_hash


async def register(core: EmbeddedCore, worker_id: str, digest: str) -> None:
    await core.workers.register(
        pb.RegisterRequest(
            worker_id=worker_id,
            features=[pb.WorkerFeature.WORKER_FEATURE_LEASES],
            workflows=[pb.WorkflowVersion(workflow_module="w", workflow_hash=digest)],
        )
    )


async def kinds(core: EmbeddedCore) -> list[str]:
    return [type(event.fact).__name__ async for event in core.executions.history("x")]


async def beat(core: EmbeddedCore, task: pb.Task, *, alive: bool = False) -> pb.HeartbeatResponse:
    held = [task.task_id]
    request = pb.HeartbeatRequest(worker_id="w1", held_task_ids=held, beating_task_ids=held if alive else [])
    return await core.workers.heartbeat(request)


async def explained(node: Node) -> list[Standing]:
    answer = await node.lifecycle_edge.explain(lifecycle_pb.ExplainRequest(execution_id="x"), HERE)
    return [each.standing for each in answer.explanations]


def test_a_worker_that_does_not_stop_a_step_in_time_is_cut_off_however_much_it_beats() -> None:
    async def scene(node: Node, core: EmbeddedCore) -> None:
        await begin(core, start_to_close_ms=60_000, retry=RetryPolicy(max_attempts=2))
        task = await core.workers.poll("w1", 0)
        for _ in range(6):
            assert (await beat(core, task)).lost_task_ids == []
            await asyncio.sleep(10)
        assert await kinds(core) == ["ExecutionStarted"]
        await beat(core, task)
        await asyncio.sleep(6)
        assert await kinds(core) == ["ExecutionStarted", "AttemptFailed"]
        assert (await beat(core, task)).lost_task_ids == [task.task_id]
        await asyncio.sleep(2)
        assert (await core.workers.poll("w1", 0)).attempt == 2

    play(scene)


def test_a_step_whose_worker_tells_no_sign_of_life_of_it_is_cut_off_and_tried_elsewhere() -> None:
    async def scene(node: Node, core: EmbeddedCore) -> None:
        digest = await begin(core, heartbeat_timeout_ms=10_000, retry=RetryPolicy(max_attempts=2))
        task = await core.workers.poll("w1", 0)
        left_behind = asyncio.create_task(core.workers.poll("w1", 30_000))
        for _ in range(4):
            await asyncio.sleep(9)
            await beat(core, task, alive=True)
        await asyncio.sleep(14)
        assert await kinds(core) == ["ExecutionStarted"]
        await beat(core, task)
        await asyncio.sleep(2)
        (failed,) = [event.fact async for event in core.executions.history("x") if event.version == 2]
        assert isinstance(failed, AttemptFailed)
        assert failed.failure is not None
        assert failed.failure.kind == "heartbeat_timeout"
        assert not (await left_behind).task_id, "its worker may hang: it is given nothing more until it speaks again"
        await register(core, "w2", digest)
        assert (await core.workers.poll("w2", 5_000)).attempt == 2
        assert (await beat(core, task)).lost_task_ids == [task.task_id]

    play(scene)


def test_a_worker_that_dies_before_its_step_is_taken_for_silent_has_lost_it() -> None:
    async def scene(node: Node, core: EmbeddedCore) -> None:
        await begin(core, heartbeat_timeout_ms=60_000)
        await core.workers.poll("w1", 0)
        await asyncio.sleep(31)
        assert await kinds(core) == ["ExecutionStarted", "AttemptLost"]

    play(scene)


def test_a_task_that_no_worker_takes_in_time_fails() -> None:
    async def scene(node: Node, core: EmbeddedCore) -> None:
        await begin(core, worker=False, schedule_to_start_ms=10_000)
        assert await explained(node) == [Standing.STANDING_NO_WORKER]
        await asyncio.sleep(9.9)
        assert await kinds(core) == ["ExecutionStarted"]
        await asyncio.sleep(0.2)
        assert await kinds(core) == ["ExecutionStarted", "StepFailed", "ExecutionFailed"]
        assert await explained(node) == [Standing.STANDING_ENDED]

    play(scene)


def test_a_task_that_was_taken_in_time_may_run_on() -> None:
    async def scene(node: Node, core: EmbeddedCore) -> None:
        await begin(core, schedule_to_start_ms=10_000)
        task = await core.workers.poll("w1", 0)
        for _ in range(4):
            await asyncio.sleep(9)
            await beat(core, task)
        assert await kinds(core) == ["ExecutionStarted"]
        assert await explained(node) == [Standing.STANDING_RUNNING]

    play(scene)


def test_a_paused_execution_is_handed_out_after_its_resume() -> None:
    async def scene(node: Node, core: EmbeddedCore) -> None:
        await begin(core)
        await node.lifecycle_edge.pause(lifecycle_pb.PauseRequest(execution_id="x"), HERE)
        assert await explained(node) == [Standing.STANDING_PAUSED, Standing.STANDING_PAUSED]
        polling = asyncio.create_task(core.workers.poll("w1", 20_000))
        await asyncio.sleep(5)
        assert not polling.done()
        await node.lifecycle_edge.resume(lifecycle_pb.ResumeRequest(execution_id="x"), HERE)
        assert (await polling).step_name == "a"

    play(scene)


def test_a_polling_worker_is_told_of_a_cancellation_with_its_next_heartbeat() -> None:
    async def scene(node: Node, core: EmbeddedCore) -> None:
        await begin(core)
        task = await core.workers.poll("w1", 0)
        assert not await core.lifecycle.cancel("x", reason="enough")
        assert await explained(node) == [Standing.STANDING_CANCELLING, Standing.STANDING_RUNNING]
        told = await beat(core, task)
        assert (told.lost_task_ids, told.cancelled_task_ids) == ([], [task.task_id])
        failure = pb.ErrorInfo(kind="cancelled")
        await core.workers.submit_result(
            pb.TaskResult(
                task_id=task.task_id,
                execution_id="x",
                worker_id="w1",
                status=pb.TaskStatus.CANCELLED,
                error=failure,
            )
        )
        assert await kinds(core) == ["ExecutionStarted", "CancellationRequested", "StepCancelled", "ExecutionCancelled"]

    play(scene)


def test_a_cancellation_ends_when_nobody_answers_it() -> None:
    async def scene(node: Node, core: EmbeddedCore) -> None:
        await begin(core)
        task = await core.workers.poll("w1", 0)
        await core.lifecycle.cancel("x", cleanup_ms=20_000)
        for _ in range(3):
            await beat(core, task)
            await asyncio.sleep(7)
        assert await kinds(core) == ["ExecutionStarted", "CancellationRequested", "ExecutionCancelled"]
        assert (await beat(core, task)).lost_task_ids == [task.task_id]

    play(scene)


def test_a_migrated_execution_is_handed_to_workers_of_its_new_version() -> None:
    async def scene(node: Node, core: EmbeddedCore) -> None:
        await begin(core)
        longer = pb.WorkflowDefinition(
            timeline=[pb.Step(name="a"), pb.Step(name="b")], stages=[pb.Stage(steps=["a"]), pb.Stage(steps=["b"])]
        )
        new = await core.submit_blueprint(pb.Blueprint(workflow_module="w", definition=longer))
        await register(core, "w2", new.workflow_hash)
        moved = await node.lifecycle_edge.migrate(lifecycle_pb.MigrateRequest(execution_id="x"), HERE)
        assert moved.workflow_hash == new.workflow_hash
        assert not (await core.workers.poll("w1", 0)).task_id
        task = await core.workers.poll("w2", 0)
        assert (task.step_name, task.workflow_hash) == ("a", new.workflow_hash)
        stored = await node.store.head("x")
        assert stored is not None
        assert (stored.head.blueprint_hash, stored.head.total_steps) == (new.workflow_hash, 2)

    play(scene)


def test_after_a_restart_a_worker_that_had_a_cancelled_task_is_still_waited_for() -> None:
    store = MemoryStore()

    async def before(node: Node, core: EmbeddedCore) -> None:
        await begin(core)
        await core.workers.poll("w1", 0)
        await core.lifecycle.cancel("x", cleanup_ms=60_000)

    async def after(node: Node, core: EmbeddedCore) -> None:
        task_id = "x/a/1.1.0"
        await core.workers.register(
            pb.RegisterRequest(
                worker_id="w1", features=[pb.WorkerFeature.WORKER_FEATURE_LEASES], held_task_ids=[task_id]
            )
        )
        await asyncio.sleep(1)
        told = await core.workers.heartbeat(pb.HeartbeatRequest(worker_id="w1", held_task_ids=[task_id]))
        assert told.cancelled_task_ids == [task_id]
        done = pb.TaskResult(task_id=task_id, execution_id="x", worker_id="w1", status=pb.TaskStatus.SUCCESS)
        done.output = to_payload(1)
        await core.workers.submit_result(done)
        assert (await kinds(core))[-2:] == ["StepCompleted", "ExecutionCancelled"]

    play(before, Kept(store))
    play(after, store)


class Kept(MemoryStore):
    """A store that outlives its Core."""

    def __init__(self, under: MemoryStore) -> None:
        self.__dict__ = under.__dict__

    async def close(self) -> None:
        pass


async def test_alarms_that_are_cleared_are_not_kept_behind_one_that_stays() -> None:
    alarms = Alarms(lambda _: None)
    alarms.set("stays", 10.0)
    for number in range(10_000):
        alarms.set(f"{number}", 20.0)
        alarms.clear(f"{number}")
    assert len(alarms) == 1
    assert len(alarms._heap) < 2_000
    alarms.close()


def test_alarms_ring_once_in_order_and_not_when_cleared_or_set_anew() -> None:
    async def main() -> list[tuple[str, float]]:
        loop = asyncio.get_running_loop()
        rung: list[tuple[str, float]] = []
        alarms = Alarms(lambda key: rung.append((key, loop.time())))
        for key, delay_s in [("c", 3.0), ("a", 1.0), ("b", 2.0), ("gone", 1.5), ("later", 0.5)]:
            alarms.set(key, delay_s)
        alarms.clear("gone")
        alarms.set("later", 4.0)
        await asyncio.sleep(10)
        assert len(alarms) == 0
        alarms.set("never", 1.0)
        alarms.close()
        await asyncio.sleep(10)
        return rung

    assert run(main) == [("a", 1.0), ("b", 2.0), ("c", 3.0), ("later", 4.0)]
