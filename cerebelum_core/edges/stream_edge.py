"""The stream service: the work of the worker service, many messages a frame."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial

from cerebelum_codegen.runtime.rpc import RequestContext, RpcError, StatusCode
from cerebelum_core.edges.execute_session import ExecuteSession
from cerebelum_core.edges.refusals import accepted, refusals, require
from cerebelum_core.edges.work_session import WorkSession
from cerebelum_core.edges.worker_edge import WorkerEdge
from cerebelum_core.endings import Endings
from cerebelum_engine import State, conclusion_of
from cerebelum_proto.stream.v1 import stream_pb as pb
from cerebelum_proto.stream.v1.stream_grpc import StreamServiceBase
from cerebelum_proto.worker import worker_service_pb as worker_pb

LONGEST_WAIT_MS = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEdge(StreamServiceBase):
    """Serves `cerebelum.stream.v1.StreamService`."""

    unary: WorkerEdge
    endings: Endings
    _workers: dict[str, WorkSession] = field(default_factory=dict)
    _callers: list[ExecuteSession] = field(default_factory=list)
    _waits: set[asyncio.Future[State | None]] = field(default_factory=set)

    def close(self) -> None:
        """End every stream and every wait: the Core stops."""
        for worker in list(self._workers.values()):
            worker.close()
        for caller in self._callers:
            caller.close()
        for wait in self._waits:
            _settle(wait, None)

    async def work(
        self, requests: AsyncIterator[pb.WorkRequest], context: RequestContext
    ) -> AsyncGenerator[pb.WorkResponse, None]:
        """A worker's whole session."""
        first = await anext(requests, pb.WorkRequest())
        session, welcome = await self._welcome(first, context)
        try:
            yield pb.WorkResponse(welcome=welcome)
            session.receive(first)
            async with _reading(self._listen(session, requests)):
                while (frame := await session.frame()) is not None:
                    yield frame
        finally:
            session.close()
            session.give_back()
            if self._workers.get(session.worker_id) is session:
                del self._workers[session.worker_id]

    async def _welcome(
        self, first: pb.WorkRequest, context: RequestContext
    ) -> tuple[WorkSession, worker_pb.RegisterResponse]:
        registration = first.registration
        if registration is None:
            raise RpcError(StatusCode.INVALID_ARGUMENT, "the first frame brings no registration")
        require(bool(registration.features), "a worker on a stream names its features in its registration")
        before = self._workers.pop(registration.worker_id, None)
        if before is not None:
            before.close()
            before.give_back()
        self.unary.router.dismiss(registration.worker_id)  # it polls no more
        leases = self.unary.router.leases.of(registration.worker_id)
        welcome = await self.unary.register(registration, context)
        # What its last stream said and it does not name never reached it.
        held = set(registration.held_task_ids)
        for lease in leases:
            if lease.task_id not in held:
                self.unary.router.give_back(lease)
        worker = self.unary.workers.seen(registration.worker_id)
        if worker is None:
            raise RpcError(StatusCode.UNAVAILABLE, "the worker took leave while it registered")
        session = WorkSession(
            worker,
            self.unary.terms.of(worker),
            registry=self.unary.registry,
            router=self.unary.router,
            handouts=self.unary.handouts,
        )
        self._workers[session.worker_id] = session
        self.unary.router.attach(session)
        return session, welcome

    async def _listen(self, session: WorkSession, requests: AsyncIterator[pb.WorkRequest]) -> None:
        try:
            async for frame in requests:
                if self.unary.workers.seen(session.worker_id) is None:
                    session.close()  # silent for so long that it is forgotten: let it register anew, on another stream
                    session.receive(frame)
                    return
                session.receive(frame)
                await _go_round()
        finally:
            session.close()

    async def execute(
        self, requests: AsyncIterator[pb.ExecuteRequest], context: RequestContext
    ) -> AsyncGenerator[pb.ExecuteResponse, None]:
        """Start many executions and tell the end of each."""
        session = ExecuteSession(registry=self.unary.registry, endings=self.endings, starts=self.unary.starts)
        self._callers.append(session)
        try:
            async with _reading(_start_all(session, requests)):
                while (frame := await session.frame()) is not None:
                    yield frame
        finally:
            session.forget()
            self._callers.remove(session)

    async def await_result(self, request: pb.AwaitResultRequest, context: RequestContext) -> pb.AwaitResultResponse:
        """Start an execution, or find one, and wait for its end."""
        with refusals():
            state = await (self._started(request) if request.start else self._found(request))
        return pb.AwaitResultResponse(status=conclusion_of(state))

    async def _started(self, request: pb.AwaitResultRequest) -> State:
        command, blueprint = await self.unary.starts.read(request.start or worker_pb.ExecuteRequest())
        with self._waiting(command.execution_id, request.timeout_ms) as wait:
            # First that it is this execution, then that it has ended: the id may be taken by another one.
            answer = accepted(await self.unary.registry.begin(command, blueprint))
            return answer.state if answer.state.ended else await self._end(wait, command.execution_id)

    async def _found(self, request: pb.AwaitResultRequest) -> State:
        with self._waiting(request.execution_id, request.timeout_ms) as wait:
            state = await self.unary.registry.state(request.execution_id)
            return state if state.ended else await self._end(wait, request.execution_id)

    async def _end(self, wait: asyncio.Future[State | None], execution_id: str) -> State:
        return await wait or await self.unary.registry.state(execution_id)

    @contextmanager
    def _waiting(self, execution_id: str, timeout_ms: int) -> Iterator[asyncio.Future[State | None]]:
        """The state in which the execution ends; None when the time is over, or the Core stops."""
        loop = asyncio.get_running_loop()
        wait: asyncio.Future[State | None] = loop.create_future()
        on_end = partial(_settle, wait)
        timeout_s = min(timeout_ms if timeout_ms > 0 else LONGEST_WAIT_MS, LONGEST_WAIT_MS) / 1000
        timer = loop.call_later(timeout_s, _settle, wait, None)
        self.endings.wait(execution_id, on_end)
        self._waits.add(wait)
        try:
            yield wait
        finally:
            timer.cancel()
            self.endings.forget(execution_id, on_end)
            self._waits.discard(wait)


async def _start_all(session: ExecuteSession, requests: AsyncIterator[pb.ExecuteRequest]) -> None:
    try:
        async for frame in requests:
            for start in frame.starts:
                await session.start(start)
            await _go_round()
    except BaseException:
        session.close()
        raise
    session.finish()


@asynccontextmanager
async def _reading(listening: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Listen while the block speaks. A fault of what is heard ends the call, after what is left was said."""
    task = asyncio.create_task(listening)
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _go_round() -> None:
    """Let what a frame leads to be on its way, to the disk and to workers, before the next one is looked at.

    Frames come many at once. Taken one straight after the other, they go through the Core as a convoy, and while it is
    here, its disk and its workers have nothing to do.
    """
    await asyncio.sleep(0)


def _settle(wait: asyncio.Future[State | None], state: State | None) -> None:
    if not wait.done():
        wait.set_result(state)
