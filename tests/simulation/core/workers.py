"""Workers of every kind: the SDK's own, deployed ones that know nothing of leases, and liars."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cerebelum import Worker
from cerebelum_client import ClientError, CoreUnavailable
from cerebelum_proto.worker import worker_service_pb as pb
from tests.simulation.core.line import Line
from tests.simulation.core.people import text
from tests.simulation.core.steps import Desk, Plan, as_workflow
from tests.simulation.virtual_time import Process

if TYPE_CHECKING:
    from tests.simulation.core.world import World


@dataclass
class Hired:
    """A worker's process."""

    worker_id: str
    line: Line
    process: Process
    worker: Worker | None = None
    finished: asyncio.Task[None] | None = field(default=None, repr=False)
    sits: bool = False
    """Whether it ends no step, and stays when the world turns kind: the Core must take from it what it has."""

    def holds(self, task_id: str) -> bool:
        """Whether a step runs here for this task, or its result waits to be taken."""
        works = self.process.alive and not self.line.took_leave
        return works and self.worker is not None and task_id in self.worker._hands.task_ids


def hire(world: World, worker_id: str) -> Hired:
    """A worker of the SDK."""
    line, process = Line(world, worker_id, streams=world.dice.random() < 0.7), Process(worker_id)
    desk = Desk(world.dice.randint(1, 4), world.broke, world.mended)
    worker = Worker(
        line.as_core,
        workflows=[as_workflow(each, world.library.compiled(each), world.seed, desk) for each in world.own],
        worker_id=worker_id,
        queues=world.queues.served_by(worker_id),
        concurrency=desk.room,
        chance=world.dice.random,
        now=world.clock.now,
        drain_s=world.dice.choice((0.0, 5.0, 30.0)),
    )
    return Hired(worker_id, line, process, worker, process.start(worker.run()))


def hire_deployed(world: World, worker_id: str) -> Hired:
    """A worker that speaks the deployed contract."""
    line, process = Line(world, worker_id), Process(worker_id)
    return Hired(worker_id, line, process, finished=process.start(_work_as_deployed(world, line, worker_id)))


def hire_liar(world: World, worker_id: str) -> Hired:
    """A worker that says what is not so."""
    line, process = Line(world, worker_id), Process(worker_id)
    return Hired(worker_id, line, process, finished=process.start(_lie(world, line, worker_id)))


async def _work_as_deployed(world: World, line: Line, worker_id: str) -> None:
    registration = pb.RegisterRequest(
        worker_id=worker_id,
        language="python",
        capabilities=sorted({step.name for each in world.deployed for step in _steps(each)}),
    )
    errors = 3
    while True:
        try:
            if errors >= 3:
                for blueprint in world.deployed:
                    await line.submit_blueprint(blueprint)
                await line.register(registration)
            task = await line.poll(worker_id, 30_000)
            errors = 0
            if task.task_id:
                await _perform_as_deployed(world, line, worker_id, task)
        except ClientError:
            errors += 1
            await asyncio.sleep(errors)


def _steps(blueprint: pb.Blueprint) -> list[pb.Step]:
    return blueprint.definition.timeline if blueprint.definition else []


async def _perform_as_deployed(world: World, line: Line, worker_id: str, task: pb.Task) -> None:
    result = pb.TaskResult(task_id=task.task_id, execution_id=task.execution_id, worker_id=worker_id)
    plan = Plan.of(world.seed, task.execution_id, task.step_name)
    await asyncio.sleep(plan.work_s)
    if plan.waits and plan.waits[0].asks:
        timeout_ms = int((plan.waits[0].seconds or 0) * 1000)
        result.status = pb.TaskStatus.APPROVAL
        result.approval_request = pb.ApprovalRequest(approval_type="manual", timeout_ms=timeout_ms)
    elif plan.waits:
        result.status = pb.TaskStatus.SLEEP
        result.sleep_request = pb.SleepRequest(duration_ms=int((plan.waits[0].seconds or 0) * 1000), data={"slept": 1})
    elif plan.ending == "final":
        result.status = pb.TaskStatus.FAILED
        result.error = pb.ErrorInfo(kind="ValueError", message="boom")
    else:
        result.status = pb.TaskStatus.SUCCESS
        result.result = {"error": "no"} if plan.ending == "decision" else {"ok": [task.step_name]}
    for _ in range(3):
        try:
            await line.submit_result(result)
            return
        except CoreUnavailable:
            await asyncio.sleep(1)


async def _lie(world: World, line: Line, worker_id: str) -> None:
    """Take tasks as a worker does, and do with them what no worker should."""
    dice, known = world.dice, list[pb.Task]()
    while True:
        try:
            claimed = world.lies_about(dice.sample(known, k=min(len(known), dice.randrange(3))))
            await line.register(_as_ours(world, worker_id, claimed))
            for _ in range(dice.randrange(1, 4)):
                task = await line.poll(worker_id, dice.choice((0, 5_000)))
                if task.task_id:
                    known.append(task)
                if known:
                    await _tell_a_lie(world, line, worker_id, dice.choice(known))
        except ClientError:
            await asyncio.sleep(1)
        await asyncio.sleep(dice.uniform(0, 30))


def hire_sitter(world: World, worker_id: str) -> Hired:
    """A worker that takes tasks, says that they run, and never ends one. In a kind world it takes no more, and has
    only what may not run for ever.
    """
    line, process = Line(world, worker_id), Process(worker_id)
    return Hired(worker_id, line, process, finished=process.start(_sit(world, line, worker_id)), sits=True)


async def _sit(world: World, line: Line, worker_id: str) -> None:
    held: dict[str, pb.Task] = {}
    while True:
        try:
            told: pb.RegisterResponse | pb.HeartbeatResponse
            told = await line.register(_as_ours(world, worker_id, list(held)))
            while True:
                gone = {*told.lost_task_ids, *told.cancelled_task_ids}
                held = {each: task for each, task in held.items() if each not in gone}
                if not world.calm:
                    task = await line.poll(worker_id, 1_000)
                    held |= {task.task_id: task} if task.task_id else {}
                else:
                    held = {each: task for each, task in held.items() if task.start_to_close_ms}
                await asyncio.sleep(world.dice.uniform(0, 5))
                told = await line.heartbeat(pb.HeartbeatRequest(worker_id=worker_id, held_task_ids=list(held)))
        except ClientError:
            await asyncio.sleep(1)


def _as_ours(world: World, worker_id: str, held: list[str]) -> pb.RegisterRequest:
    return pb.RegisterRequest(
        worker_id=worker_id,
        features=[pb.WorkerFeature.WORKER_FEATURE_MARKERS, pb.WorkerFeature.WORKER_FEATURE_LEASES],
        workflows=[pb.WorkflowVersion(workflow_hash=digest) for digest in world.library.hashes],
        queues=world.queues.served_by(worker_id),
        held_task_ids=held,
    )


async def _tell_a_lie(world: World, line: Line, worker_id: str, task: pb.Task) -> None:
    dice = world.dice
    lie = dice.randrange(6)
    result = pb.TaskResult(
        task_id=task.task_id, execution_id=task.execution_id, worker_id=worker_id, status=pb.TaskStatus.SUCCESS
    )
    result.output = text(task.step_name)
    if lie == 0:  # it answers late
        await asyncio.sleep(dice.uniform(0, 100))
    elif lie == 1:  # it answers in another's name
        result.worker_id = dice.choice([each.worker_id for each in world.staff])
    elif lie == 2:  # it answers for a task that never was
        result.task_id = f"{task.execution_id}/{task.step_name}/1.{dice.randint(50, 99)}.0"
        ack = await line.submit_result(result)
        if ack.success:
            raise AssertionError(f"the answer to {result.task_id} counted, which was never handed out")
        return
    elif lie == 3:  # it says that it waits, and for nothing
        result.status, result.output = pb.TaskStatus.SLEEP, None
    elif lie == 4:  # it says what is no status
        result.status = pb.TaskStatus.TASK_STATUS_UNSPECIFIED
    elif lie == 5:  # it holds what it does not
        held = world.lies_about([task])
        await line.heartbeat(pb.HeartbeatRequest(worker_id=worker_id, held_task_ids=held))
        return
    for _ in range(dice.choice((1, 1, 2))):
        await line.submit_result(result)
