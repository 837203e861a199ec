"""A Core in memory, and the other ends of its streams."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cerebelum_codegen.runtime.rpc import RequestContext
from cerebelum_core.clock import Clock, SystemClock
from cerebelum_core.node import Node, NodeConfig
from cerebelum_core.store import MemoryStore
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.stream.v1 import stream_pb
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker import worker_service_pb as pb

HERE = RequestContext()
ONE = Payload(encoding="json", data=b"1")
_FEATURES = [
    pb.WorkerFeature.WORKER_FEATURE_MARKERS,
    pb.WorkerFeature.WORKER_FEATURE_PAYLOADS,
    pb.WorkerFeature.WORKER_FEATURE_LEASES,
]


@dataclass
class Core:
    """A node and one workflow of two steps, `first` and `second`."""

    node: Node
    store: MemoryStore
    workflow_hash: str = ""

    async def start(self, execution_id: str, inputs: Payload = ONE) -> None:
        await self.node.worker_edge.execute_workflow(self.request(execution_id, inputs), HERE)

    def request(self, execution_id: str, inputs: Payload = ONE) -> pb.ExecuteRequest:
        return pb.ExecuteRequest(
            workflow_hash=self.workflow_hash,
            exact_inputs=inputs,
            options=pb.ExecutionOptions(execution_id=execution_id),
        )

    async def facts(self, execution_id: str) -> list[type]:
        return [type(event.fact) for event in await self.store.read(execution_id)]

    async def recorded(self, execution_id: str) -> list[str]:
        """The steps whose results are recorded, in order."""
        return [e.fact.step for e in await self.store.read(execution_id) if isinstance(e.fact, ev.StepCompleted)]

    @asynccontextmanager
    async def worker(
        self, worker_id: str, *, room: int = 10, held: list[str] | None = None, incarnation: str = "a"
    ) -> AsyncIterator[WorkerEnd]:
        """A worker that has opened its stream and been welcomed."""
        end = WorkerEnd(worker_id)
        registration = pb.RegisterRequest(
            worker_id=worker_id,
            features=_FEATURES,
            workflows=[pb.WorkflowVersion(workflow_hash=self.workflow_hash)],
            held_task_ids=held or [],
            incarnation=incarnation,
        )
        end.say(stream_pb.WorkRequest(registration=registration, room=room))
        end.answers = self.node.stream_edge.work(end.requests(), HERE)
        try:
            end.welcome = (await end.hear()).welcome
            yield end
        finally:
            await end.answers.aclose()


@asynccontextmanager
async def memory_core(store: MemoryStore | None = None, clock: Clock | None = None) -> AsyncIterator[Core]:
    store = store or MemoryStore()
    config = NodeConfig(node_id="node", version="0")
    node = Node(config, store=store, clock=clock or SystemClock(), random_bytes=secrets.token_bytes)
    await node.start()
    steps = [pb.Step(name="first"), pb.Step(name="second", depends_on=["first"])]
    definition = pb.WorkflowDefinition(timeline=steps, stages=[pb.Stage(steps=[step.name]) for step in steps])
    blueprint = pb.Blueprint(workflow_module="two", definition=definition)
    validation = await node.worker_edge.submit_blueprint(blueprint, HERE)
    try:
        yield Core(node, store, validation.workflow_hash)
    finally:
        await node.stop()


@dataclass
class WorkerEnd:
    """The worker's end of a stream. What it hears is kept, frame by frame, until it is asked for."""

    worker_id: str
    answers: AsyncGenerator[stream_pb.WorkResponse, None] = field(init=False)
    welcome: pb.RegisterResponse | None = None
    _said: asyncio.Queue[stream_pb.WorkRequest | None] = field(default_factory=asyncio.Queue)

    async def requests(self) -> AsyncIterator[stream_pb.WorkRequest]:
        while (frame := await self._said.get()) is not None:
            yield frame

    def say(self, frame: stream_pb.WorkRequest) -> None:
        self._said.put_nowait(frame)

    def finish(self, *tasks: pb.Task, room: int = 0) -> None:
        self.say(stream_pb.WorkRequest(results=[done(task) for task in tasks], room=room))

    async def hear(self) -> stream_pb.WorkResponse:
        return await asyncio.wait_for(anext(self.answers), 5)

    async def recorded(self) -> list[int]:
        """The next numbers of results that are recorded."""
        while not (frame := await self.hear()).recorded:
            pass
        return frame.recorded

    async def task(self) -> pb.Task:
        """The next task, which comes alone."""
        while not (frame := await self.hear()).tasks:
            pass
        (task,) = frame.tasks
        return task


def done(task: pb.Task) -> pb.TaskResult:
    return pb.TaskResult(task_id=task.task_id, execution_id=task.execution_id, status=pb.TaskStatus.SUCCESS, output=ONE)
