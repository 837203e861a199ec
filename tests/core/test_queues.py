"""Queues in a Core: who gets which step, what waits for nobody says so, and limits hold there too."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from cerebelum.embedded import EmbeddedCore
from cerebelum_client import InvalidRequest, execute_request, to_payload
from cerebelum_core.node import Node
from cerebelum_core.offers import Pool
from cerebelum_core.queues import Queues
from cerebelum_core.store import MemoryStore
from cerebelum_proto.control.v1.lifecycle_pb import Explanation, Standing
from cerebelum_proto.events.v1.events_pb import ExecutionFailed
from cerebelum_proto.worker import worker_service_pb as pb
from tests.core.hands import HandClock
from tests.core.test_limits import Kept, play

OURS = [pb.WorkerFeature.WORKER_FEATURE_LEASES]


async def submit(core: EmbeddedCore, *steps: pb.Step, queue: str = "") -> str:
    stages = [pb.Stage(steps=[step.name for step in steps])]
    definition = pb.WorkflowDefinition(timeline=list(steps), stages=stages, queue=queue)
    return (await core.submit_blueprint(pb.Blueprint(workflow_module="w", definition=definition))).workflow_hash


async def register(core: EmbeddedCore, worker_id: str, digest: str, *queues: str) -> None:
    workflows = [pb.WorkflowVersion(workflow_module="w", workflow_hash=digest)]
    await core.workers.register(
        pb.RegisterRequest(worker_id=worker_id, features=OURS, workflows=workflows, queues=list(queues))
    )


async def start(core: EmbeddedCore, execution_id: str = "x", queue: str = "") -> None:
    await core.executions.start(execute_request("w", to_payload(1), execution_id=execution_id, queue=queue))


async def polled(core: EmbeddedCore, worker_id: str) -> str:
    return (await core.workers.poll(worker_id, 0)).task_id


async def why(core: EmbeddedCore) -> Explanation:
    (explanation,) = await core.lifecycle.explain("x")
    return explanation


STEP = pb.Step(name="a", queue="gpu")


def test_a_task_goes_to_a_worker_that_serves_its_queue_and_to_no_other() -> None:
    async def scene(node: Node, core: EmbeddedCore) -> None:
        digest = await submit(core, STEP, pb.Step(name="b"))
        await register(core, "plain", digest)
        await register(core, "big", digest, "gpu")
        await register(core, "all", digest, "gpu", "default")
        await start(core)
        assert node.router.queued == {Pool(digest, "", "gpu"): 1, Pool(digest, "", "default"): 1}
        assert await polled(core, "plain") == "x/b/1.1.0"
        assert await polled(core, "plain") == ""
        assert await polled(core, "big") == "x/a/1.1.0"
        await start(core, "y")
        assert [await polled(core, "all") for _ in range(3)] == ["y/a/1.1.0", "y/b/1.1.0", ""]

    play(scene)


def test_an_execution_that_was_sent_to_a_queue_leaves_it_with_none_of_its_steps() -> None:
    async def scene(node: Node, core: EmbeddedCore) -> None:
        digest = await submit(core, STEP, pb.Step(name="b"))
        await register(core, "old", digest, "default", "gpu")
        await register(core, "new", digest, "canary")
        await start(core, queue="canary")
        assert await polled(core, "old") == ""
        assert [await polled(core, "new") for _ in range(2)] == ["x/a/1.1.0", "x/b/1.1.0"]

    play(scene)


def test_the_queue_of_an_execution_is_kept_over_a_restart() -> None:
    store = MemoryStore()

    async def before(node: Node, core: EmbeddedCore) -> None:
        await submit(core, STEP)
        await start(core, queue="canary")

    async def after(node: Node, core: EmbeddedCore) -> None:
        digest = await submit(core, STEP)
        await register(core, "old", digest, "gpu")
        await register(core, "new", digest, "canary")
        await asyncio.sleep(31)
        assert await polled(core, "old") == ""
        assert await polled(core, "new") == "x/a/1.1.0"

    play(before, Kept(store))
    play(after, store)


def test_a_step_that_waits_says_in_which_queue_and_what_is_served_instead() -> None:
    async def scene(node: Node, core: EmbeddedCore) -> None:
        digest = await submit(core, STEP)
        await start(core)
        told = await why(core)
        assert (told.standing, told.queue) == (Standing.STANDING_NO_WORKER, "gpu")
        assert f"no worker has blueprint {digest[:12]} of workflow 'w' in queue 'gpu': start one" in told.message
        await register(core, "stranger", "another", "gpu")
        assert "in queue 'gpu', which 1 worker without it serves;" in (await why(core)).message
        await register(core, "plain", digest)
        await register(core, "slow", digest, "slow", "default")
        told = await why(core)
        assert told.message == (
            "no worker with its code serves queue 'gpu'; 2 workers with it serve 'default', 'slow': "
            "start one with --queue gpu"
        )
        (queued,) = (await core.executions.status("x")).queued_steps
        assert (queued.step_name, queued.queue, queued.worker_ids) == ("a", "gpu", [])
        await register(core, "big", digest, "gpu")
        told = await why(core)
        assert (told.standing, told.queue) == (Standing.STANDING_QUEUED, "gpu")
        assert told.message == "1 worker can run it in queue 'gpu', and none has room for it yet"
        (queued,) = (await core.executions.status("x")).queued_steps
        assert queued.worker_ids == ["big"]
        await polled(core, "big")
        assert (await core.executions.status("x")).queued_steps == []
        assert (await why(core)).standing is Standing.STANDING_RUNNING

    play(scene)


def test_a_step_fails_when_no_worker_of_its_queue_takes_it_in_time() -> None:
    async def scene(node: Node, core: EmbeddedCore) -> None:
        digest = await submit(core, pb.Step(name="a", queue="gpu", schedule_to_start_ms=10_000))
        await register(core, "plain", digest)
        await start(core)
        left = asyncio.create_task(core.workers.poll("plain", 20_000))
        await asyncio.sleep(11)
        facts = [event.fact async for event in core.executions.history("x")]
        assert isinstance(facts[-1], ExecutionFailed)
        assert "no worker of queue 'gpu' took it within 10000 ms" in str(facts[-1].failure)
        assert node.router.queued == {}
        assert not (await left).task_id

    play(scene)


def test_a_deployed_worker_serves_the_default_queue_whatever_it_says() -> None:
    async def scene(node: Node, core: EmbeddedCore) -> None:
        old = pb.Blueprint(workflow_module="w", definition=pb.WorkflowDefinition(timeline=[pb.Step(name="a")]))
        await core.submit_blueprint(old)
        await core.workers.register(pb.RegisterRequest(worker_id="old", capabilities=["a"], queues=["gpu"]))
        with pytest.raises(InvalidRequest, match="which serve queue 'default' only: leave out queue 'gpu'"):
            await start(core, queue="gpu")
        await start(core)
        assert await polled(core, "old") == "x/a/1.1.0"

    play(scene)


Wrong = Callable[[EmbeddedCore], Awaitable[object]]


@pytest.mark.parametrize(
    "call",
    [lambda core: register(core, "w", "hash", "two words", "/"), lambda core: start(core, queue="two words")],
    ids=["a worker", "a start"],
)
def test_wrong_names_are_refused(call: Wrong) -> None:
    async def scene(node: Node, core: EmbeddedCore) -> None:
        await submit(core, STEP)
        with pytest.raises(InvalidRequest, match="queue 'two words' is no name"):
            await call(core)

    play(scene)


def test_every_wrong_name_of_a_worker_is_told_at_once() -> None:
    async def scene(node: Node, core: EmbeddedCore) -> None:
        with pytest.raises(InvalidRequest, match=r"worker_id is empty.*queue 'b c' is no name.*queue '/' is no name"):
            await register(core, "", "hash", "b c", "/")

    play(scene)


def test_queues_tell_what_waits_in_them_who_serves_them_and_what_waits_in_vain() -> None:
    async def scene(node: Node, core: EmbeddedCore) -> None:
        assert await core.queues() == []
        digest = await submit(core, STEP, pb.Step(name="b"))
        await register(core, "plain", digest)
        await register(core, "stranger", "another", "gpu", "default")
        await start(core)
        await start(core, "y")
        default, gpu = await core.queues()
        assert (default.name, default.waiting, default.unserved) == ("default", 2, 0)
        assert default.worker_ids == ["plain", "stranger"]
        assert (gpu.name, gpu.waiting, gpu.unserved, gpu.worker_ids) == ("gpu", 2, 2, ["stranger"])
        await polled(core, "plain")
        assert [each.waiting for each in await core.queues()] == [1, 2]

    play(scene)


def test_what_nobody_took_in_time_is_told_until_it_is_recorded() -> None:
    async def scene(node: Node, core: EmbeddedCore) -> None:
        overdue: list[str] = []
        queues = Queues(lambda offer: overdue.append(offer.task_id), HandClock())
        digest = await submit(core, pb.Step(name="a", queue="gpu", schedule_to_start_ms=10_000))
        await start(core)
        (offer,) = node.router._offers.values()
        assert offer.pool == Pool(digest, "", "gpu")
        offer.task.unclaimed_at = HandClock().now()
        queues.add(offer)
        await asyncio.sleep(2.5)
        assert overdue == ["x/a/1.1.0"] * 3
        assert queues.take([Pool(digest, "", "default")]) is None
        assert queues.take([Pool(digest, "", "default"), offer.pool]) is offer
        await asyncio.sleep(5)
        assert overdue == ["x/a/1.1.0"] * 3
        assert queues.sizes == {}

    play(scene)
