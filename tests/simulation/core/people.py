"""Those who start executions, decide what is asked, follow, look and cancel. They try again as careful callers do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from cerebelum_client import AlreadyExists, CoreUnavailable, NotFound, Refused
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker import worker_service_pb as pb
from tests.simulation.core.line import Line
from tests.simulation.core.truth import end_of, has_ended, require
from tests.simulation.engine.signals import is_signalled

if TYPE_CHECKING:
    from tests.simulation.core.world import World

_T = TypeVar("_T")


class Caller:
    """Starts one execution and stays with it until it has ended."""

    def __init__(self, world: World, execution_id: str, blueprint: pb.Blueprint | None) -> None:
        self._world = world
        self._line = Line(world, f"caller of {execution_id}")
        self._id = execution_id
        self._blueprint = blueprint
        self._module = blueprint.workflow_module if blueprint is not None else ""
        self.inputs = text(execution_id)
        self._queue = world.queues.chosen(execution_id, blueprint) if blueprint is not None else ""
        self.seen: list[ev.Event] = []
        self.follows = False
        """Whether somebody has begun to look what happens."""
        self._is_over = False
        """It has ended, and nobody is left who could let it go on."""
        self._left_open: set[str] = set()
        """Questions that somebody began to answer, and went home when the Core did not."""

    async def run(self) -> None:
        dice = self._world.dice
        await asyncio.sleep(dice.choice((0.0, 0.0, 1.0, 20.0)))
        duties = [self._follow(), self._look(), self._await_end()]
        if self._blueprint is None:
            pass  # it was begun as a fork
        elif dice.random() < 0.5:
            await self._start()
            if dice.random() < 0.6:
                duties.append(self._start_otherwise())
        else:
            await self._submit()
            duties += [self._start_in_the_office(0.0), *(self._start_in_the_office(s) for s in self._later_starts())]
        if dice.random() < 0.2:
            duties.append(self._cancel())
        if is_signalled(self._world.seed):
            duties.append(self._signal("early"))
        async with asyncio.TaskGroup() as group:
            for duty in duties:
                group.create_task(duty)

    async def _start(self) -> None:
        await self._submit()
        await self._again(self._begin)
        self._world.truth.started(self._id, self.inputs)
        if self._world.dice.random() < 0.2:
            handle = await self._again(self._begin)
            require(not handle.created, f"{self._id} was started twice")

    async def _submit(self) -> None:
        blueprint = self._blueprint or pb.Blueprint()
        await self._again(lambda: self._line.submit_blueprint(blueprint))

    async def _begin(self) -> pb.ExecutionHandle:
        timeout_ms = self._world.dice.choice((0, 0, 0, 0, 100_000))
        return await self._line.start(
            self._module, self.inputs, execution_id=self._id, timeout_ms=timeout_ms, queue=self._queue
        )

    def _later_starts(self) -> list[float]:
        """When others ask for the same execution; each of them is told its end."""
        return [self._world.dice.uniform(0, 150) for _ in range(self._world.dice.choice((0, 0, 1, 3)))]

    async def _start_in_the_office(self, after_s: float) -> None:
        """Over the stream that all callers share."""
        await asyncio.sleep(after_s)
        result = await self._world.office.execute(self._module, self.inputs, execution_id=self._id, queue=self._queue)
        self._world.truth.started(self._id, self.inputs)
        self._require_end(result.status)

    async def _await_end(self) -> None:
        while (status := await self._again(lambda: self._line.await_result(self._id))).completed_at is None:
            await asyncio.sleep(self._world.dice.uniform(0, 20))
        self._require_end(status.status.name)

    def _require_end(self, told: str) -> None:
        """An end that is told is durable."""
        past = self._world.disk.history(self._id)
        ends = {end_of(past[:length]) for length in range(1, len(past) + 1)} - {""}
        require(any(end in told.upper() for end in ends), f"{self._id} was told to have ended as {told}, not {ends}")

    async def _start_otherwise(self) -> None:
        """The id is taken: something else under it is refused."""
        try:
            await self._again(lambda: self._line.start(self._module, text("other"), execution_id=self._id))
        except AlreadyExists:
            return
        require(False, f"{self._id} was started with other inputs than before")

    async def _cancel(self) -> None:
        await asyncio.sleep(self._world.dice.uniform(0, 200))
        await self._end()

    async def _end(self) -> None:
        while True:
            try:
                await self._again(lambda: self._line.cancel(self._id))
            except Refused:
                if self._world.former is None:
                    return
                await asyncio.sleep(30)
            else:
                self._world.truth.cancelled(self._id)
                return

    async def _look(self) -> None:
        while not self._is_over:
            await asyncio.sleep(self._world.dice.uniform(1, 60))
            status = await self._again(lambda: self._line.status(self._id))
            self._world.truth.seen(status, self._world.disk.history(self._id))
            if status.approval_info is not None and status.approval_info.step_name in self._left_open:
                await self._decide(status.approval_info.step_name)

    async def _follow(self) -> None:
        """Every event once and in order, however often the stream breaks."""
        self.follows = True
        async with asyncio.TaskGroup() as decisions:
            while not self._is_over:
                settled = self._world.settled.is_set()
                try:
                    async for event in self._line.follow(self._id, len(self.seen)):
                        require(event.version == len(self.seen) + 1, f"{self._id}: a follower got v{event.version}")
                        self.seen.append(event)
                        if isinstance(event.fact, ev.ApprovalRequested):
                            decisions.create_task(self._decide(event.fact.step))
                        if isinstance(event.fact, ev.SignalAwaited):
                            decisions.create_task(self._signal(f"for v{event.version}"))
                        if isinstance(event.fact, ev.StepDeadLettered) and self._world.gives_up:
                            decisions.create_task(self._end())  # it may wait for ever
                except (CoreUnavailable, NotFound):
                    await asyncio.sleep(self._world.dice.uniform(0.1, 2))
                else:
                    self._is_over = settled and has_ended(self.seen)
                    await asyncio.sleep(5 if has_ended(self.seen) else 0.1)

    async def _decide(self, step: str) -> None:
        dice = self._world.dice
        await asyncio.sleep(dice.choice((0.0, 1.0, 30.0)))
        self._left_open.discard(step)
        try:
            if dice.random() < 0.7:
                await self._line.approve(self._id, step=step, response=text("yes"))
                self._world.truth.decided(self._id, step, ev.ApprovalGranted)
            else:
                await self._line.reject(self._id, step=step)
                self._world.truth.decided(self._id, step, ev.ApprovalRejected)
        except (Refused, NotFound, CoreUnavailable):
            # Also who is refused looks again: it may be by a Core that was replaced and knows old things.
            self._left_open.add(step)

    async def _signal(self, word: str) -> None:
        """Send a signal under one id until the Core says that it has it, or the execution is over."""
        signal_id = f"{self._id} {word}"
        await asyncio.sleep(self._world.dice.choice((0.0, 1.0, 30.0)))
        while not self._is_over:
            try:
                await self._again(lambda: self._line.signal(self._id, signal_id, text(signal_id)))
            except Refused:
                await asyncio.sleep(30)  # it may be let go on
            else:
                self._world.truth.signalled(self._id, signal_id)
                return

    async def _again(self, call: Callable[[], Awaitable[_T]]) -> _T:
        while True:
            try:
                return await call()
            except (CoreUnavailable, NotFound):
                # A start whose answer is lost may not have happened yet.
                await asyncio.sleep(self._world.dice.uniform(0.1, 3))


async def requested(
    workflow: str, inputs: Payload, *, execution_id: str, queue: str, **options: object
) -> pb.ExecuteRequest:
    """The request that starts an execution."""
    told = pb.ExecutionOptions(execution_id=execution_id, queue=queue)
    return pb.ExecuteRequest(workflow_module=workflow, exact_inputs=inputs, options=told)


def text(value: str) -> Payload:
    return Payload(encoding="json", data=f'"{value}"'.encode())
