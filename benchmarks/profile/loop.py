"""A Core's loop without the network: all that it does between a frame that came and one that goes, the writer beside.

A worker and a caller in the same loop answer each frame at once; what they take for it does not count.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from benchmarks.profile.scene import WORKER, result_of
from cerebelum import Workflow
from cerebelum.worker import FEATURES
from cerebelum_codegen.runtime import Message
from cerebelum_codegen.runtime.rpc import RequestContext
from cerebelum_core.clock import SystemClock
from cerebelum_core.ids import uuid7
from cerebelum_core.node import Node, NodeConfig
from cerebelum_core.store import open_store
from cerebelum_proto.stream.v1.stream_pb import ExecuteRequest, ExecuteResponse, WorkRequest, WorkResponse
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker import worker_service_pb as worker_pb

_Said = TypeVar("_Said", bound=Message)
_HERE = RequestContext()
_INPUTS = Payload(encoding="json", data=b"1")


async def loop_us(workflow: Workflow, in_flight: int, executions: int) -> float:
    """CPU of a Core's loop for an execution of a workflow, with so many in flight on a stream."""
    async with _node() as node:
        await node.worker_edge.submit_blueprint(workflow.blueprint, _HERE)
        ends = _Ends(node, workflow, executions)
        await ends.welcomed()
        begun = time.thread_time()
        await ends.play(in_flight)
        return (time.thread_time() - begun - ends.spent_s) * 1e6 / executions


@asynccontextmanager
async def _node() -> AsyncIterator[Node]:
    clock = SystemClock()
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{Path(folder)}/loop.db", node_id="profile", clock=clock, apart=True)
        config = NodeConfig(node_id="profile", version="0")
        node = Node(config, store=store, clock=clock, random_bytes=secrets.token_bytes)
        await node.start()
        try:
            yield node
        finally:
            await node.stop()


class _Ends:
    """A worker and a caller."""

    def __init__(self, node: Node, workflow: Workflow, executions: int) -> None:
        self.spent_s = 0.0
        self._workflow = workflow
        self._work = _Frames(WorkRequest)
        self._starts = _Frames(ExecuteRequest)
        self._tasks = node.stream_edge.work(self._work, _HERE)
        self._ended = node.stream_edge.execute(self._starts, _HERE)
        self._clock = SystemClock()
        self._left = self._open = executions

    async def welcomed(self) -> None:
        """Let the worker open its stream."""
        registration = worker_pb.RegisterRequest(
            worker_id=WORKER,
            features=FEATURES,
            workflows=[
                worker_pb.WorkflowVersion(workflow_module=self._workflow.name, workflow_hash=self._workflow.hash)
            ],
        )
        self._work.put(WorkRequest(registration=registration, room=1 << 16).to_bytes())
        await anext(self._tasks)

    async def play(self, in_flight: int) -> None:
        """Run workflows to their end, each in the place of one that has ended."""
        self._start(in_flight)
        working = asyncio.create_task(self._run_steps())
        try:
            await self._follow()
        finally:
            working.cancel()
            await asyncio.wait([working])
            await _close(self._tasks, self._ended)

    def _start(self, count: int) -> None:
        count = min(count, self._left)
        self._left -= count
        starts = [self._request() for _ in range(count)]
        if starts:
            self._starts.put(ExecuteRequest(starts=starts).to_bytes())

    def _request(self) -> worker_pb.ExecuteRequest:
        options = worker_pb.ExecutionOptions(execution_id=uuid7(self._clock, secrets.token_bytes))
        return worker_pb.ExecuteRequest(workflow_hash=self._workflow.hash, exact_inputs=_INPUTS, options=options)

    async def _run_steps(self) -> None:
        async for frame in self._tasks:
            data = frame.to_bytes()
            with self._outside():
                now = self._clock.now()
                results = [result_of(task, now) for task in WorkResponse.from_bytes(data).tasks]
                if results:
                    self._work.put(WorkRequest(results=results, room=len(results)).to_bytes())

    async def _follow(self) -> None:
        async for frame in self._ended:
            data = frame.to_bytes()
            with self._outside():
                ended = ExecuteResponse.from_bytes(data)
                if ended.refusals:
                    raise AssertionError(f"{ended.refusals[0]}")
                self._start(len(ended.ends))
                self._open -= len(ended.ends)
            if not self._open:
                return

    @contextmanager
    def _outside(self) -> Iterator[None]:
        begun = time.thread_time()
        yield
        self.spent_s += time.thread_time() - begun


class _Frames(Generic[_Said]):
    """What one end has said, until the Core takes it."""

    def __init__(self, kind: type[_Said]) -> None:
        self._kind = kind
        self._said: deque[bytes] = deque()
        self._more = asyncio.Event()

    def put(self, frame: bytes) -> None:
        """Say one more."""
        self._said.append(frame)
        self._more.set()

    def __aiter__(self) -> AsyncIterator[_Said]:
        return self

    async def __anext__(self) -> _Said:
        while not self._said:
            self._more.clear()
            await self._more.wait()
        return self._kind.from_bytes(self._said.popleft())


async def _close(*answers: AsyncGenerator[Message, None]) -> None:
    for each in answers:
        await each.aclose()
