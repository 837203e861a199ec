"""A connection from one process to whichever Core is up: messages are bytes, and may be late, doubled or lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cerebelum.embedded import EmbeddedCore
from cerebelum_client import ClientError, CoreUnavailable, Unsupported, execute_request
from cerebelum_client.core import Core as AnyCore
from cerebelum_client.errors import CoreFailed
from cerebelum_client.lifecycle import Lifecycle
from cerebelum_codegen.runtime.message import Message
from cerebelum_proto.events.v1.events_pb import Event
from cerebelum_proto.stream.v1 import stream_pb
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker import worker_service_pb as pb
from tests.simulation.core.streams import Talk, WorkerTalk, converse

if TYPE_CHECKING:
    from tests.simulation.core.core import Core
    from tests.simulation.core.world import World

_T = TypeVar("_T")
_M = TypeVar("_M", bound=Message)

_REPEATED = {"submit_blueprint", "heartbeat", "submit_result", "start", "status", "approve", "reject", "cancel"}
_REPEATED |= {"signal", "record_memo", "pause", "resume", "terminate", "retry", "redrive", "fork", "migrate"}
"""Calls that may come twice, the second one late: a proxy, or a client without patience, said it again."""
_PATIENCE_S = 10.0
"""How long a caller waits for an answer; a poll waits as much longer."""


class Line:
    """What `cerebelum_client.CerebelumClient` is in real life."""

    def __init__(self, world: World, name: str, *, streams: bool = True) -> None:
        self.world = world
        self.name = name
        self._streams = streams
        self.core: Core | None = None
        self._last = {"there": 0.0, "back": 0.0}
        self.thawed = asyncio.Event()
        self.thawed.set()
        self.took_leave = False
        """Whether what this worker has not finished is for others, also while it still stops."""
        # Whichever group a call belongs to, it travels like all others.
        self.executions = self.approvals = self.lifecycle = self.workers = self

    @property
    def as_core(self) -> AnyCore:
        """It can do what is called here of all that a Core can."""
        return cast("AnyCore", self)

    # -- what a worker calls -----------------------------------------------------------------

    async def submit_blueprint(self, blueprint: pb.Blueprint) -> pb.BlueprintValidation:
        return await self._call("submit_blueprint", lambda core: core.submit_blueprint(_copy(blueprint)))

    async def register(self, request: pb.RegisterRequest) -> pb.RegisterResponse:
        return await self._call("register", lambda core: self._registered(core, _copy(request)))

    async def unregister(self, worker_id: str, reason: str = "") -> None:
        self.world.note(f"{worker_id} takes leave")
        self.took_leave = True
        await self._call("unregister", lambda core: _nothing(core.workers.unregister(worker_id, reason)))

    async def heartbeat(self, request: pb.HeartbeatRequest) -> pb.HeartbeatResponse:
        return await self._call("heartbeat", lambda core: self._beaten(core, _copy(request)))

    async def poll(self, worker_id: str, timeout_ms: int) -> pb.Task:
        patience_s = timeout_ms / 1000 + _PATIENCE_S
        return await self._call("poll", lambda core: self._polled(core, worker_id, timeout_ms), patience_s)

    async def submit_result(self, result: pb.TaskResult) -> pb.Ack:
        self.world.truth.handed_in(result)
        ack = await self._call("submit_result", lambda core: core.workers.submit_result(_copy(result)))
        self.world.truth.acknowledged(result, ack)
        return ack

    async def record_memo(self, request: pb.MemoRequest) -> pb.MemoResponse:
        response = await self._call("record_memo", lambda core: core.workers.record_memo(_copy(request)))
        self.world.truth.kept(request, response)
        return response

    async def work(
        self, requests: AsyncIterator[stream_pb.WorkRequest]
    ) -> AsyncGenerator[stream_pb.WorkResponse, None]:
        if not self._streams:
            raise Unsupported("simulated: an older client")
        core = await self._dial("work")
        talk = WorkerTalk(self.world, core, self.name)
        async with aclosing(converse(self, core, requests, core.face.workers.work, talk)) as frames:
            async for frame in frames:
                yield frame

    # -- what others call --------------------------------------------------------------------

    async def start(self, workflow: str, inputs: Payload, **options: Any) -> pb.ExecutionHandle:
        return await self._call(
            "start", lambda core: core.executions.start(execute_request(workflow, _copy(inputs), **options))
        )

    async def status(self, execution_id: str) -> pb.ExecutionStatus:
        return await self._call("status", lambda core: core.executions.status(execution_id))

    async def list(self) -> pb.ListExecutionsResponse:
        return await self._call("list", lambda core: core.executions.list())

    async def await_result(self, execution_id: str) -> pb.ExecutionStatus:
        return await self._call("await_result", lambda core: core.executions.await_result(execution_id), 40.0)

    async def execute(
        self, requests: AsyncIterator[stream_pb.ExecuteRequest]
    ) -> AsyncGenerator[stream_pb.ExecuteResponse, None]:
        core = await self._dial("execute")
        async with aclosing(converse(self, core, requests, core.face.executions.execute, Talk())) as frames:
            async for frame in frames:
                yield frame

    async def approve(self, execution_id: str, *, step: str, response: Payload) -> str:
        return await self._call(
            "approve",
            lambda core: core.approvals.approve(execution_id, step=step, response=response, decided_by=self.name),
        )

    async def reject(self, execution_id: str, *, step: str) -> str:
        return await self._call(
            "reject", lambda core: core.approvals.reject(execution_id, step=step, reason="no", decided_by=self.name)
        )

    async def signal(self, execution_id: str, signal_id: str, payload: Payload) -> None:
        await self._call(
            "signal", lambda core: core.executions.signal(execution_id, "paid", _copy(payload), signal_id=signal_id)
        )

    async def cancel(self, execution_id: str) -> None:
        await self._call("cancel", lambda core: core.lifecycle.cancel(execution_id, reason="enough"))

    async def steer(self, name: str, call: Callable[[Lifecycle], Awaitable[Any]]) -> None:
        await self._call(name, lambda core: _nothing(call(core.lifecycle)))

    async def follow(self, execution_id: str, after_version: int) -> AsyncIterator[Event]:
        """The events of an execution as they come, until it has ended."""
        core = await self._dial("follow")
        events: asyncio.Queue[tuple[Event, float]] = asyncio.Queue()
        work = core.serve(_pump(core.face, execution_id, after_version, events))
        try:
            while not (work.done() and events.empty()):
                getting = asyncio.ensure_future(events.get())
                await asyncio.wait([getting, work], return_when=asyncio.FIRST_COMPLETED)
                if self.world.weather.happens("answer_lost"):
                    getting.cancel()
                    raise CoreUnavailable("simulated: the stream broke")
                if not getting.done():
                    getting.cancel()
                    continue
                event, sent_at = getting.result()
                await self.travel(sent_at=sent_at)
                yield event
            self.outcome(work)
        finally:
            work.cancel()

    # -- what the world learns while the Core answers -----------------------------------------

    async def _registered(self, core: EmbeddedCore, request: pb.RegisterRequest) -> pb.RegisterResponse:
        self.world.note(f"{request.worker_id} registers, with {request.held_task_ids}")
        serving, response = self.core, await core.workers.register(request)
        if serving is not None and serving.is_owner:
            self.world.hands.keep(request.worker_id, request.held_task_ids, response.lost_task_ids)
        return response

    async def _beaten(self, core: EmbeddedCore, request: pb.HeartbeatRequest) -> pb.HeartbeatResponse:
        serving, response = self.core, await core.workers.heartbeat(request)
        if serving is not None and serving.is_owner:
            self.world.hands.keep(request.worker_id, request.held_task_ids, response.lost_task_ids)
        return response

    async def _polled(self, core: EmbeddedCore, worker_id: str, timeout_ms: int) -> pb.Task:
        serving = self.core
        task = await core.workers.poll(worker_id, timeout_ms)
        if task.task_id:
            self.world.handed_out(serving, worker_id, task)
        return task

    # -- how it travels ----------------------------------------------------------------------

    async def _call(
        self, name: str, call: Callable[[EmbeddedCore], Coroutine[Any, Any, _T]], patience_s: float = _PATIENCE_S
    ) -> _T:
        core = await self._dial(name)
        if name in _REPEATED and self.world.weather.happens("doubled"):
            core.serve(self._later(core, call))
        work = core.serve(call(core.face))
        try:
            await asyncio.wait([work], timeout=patience_s)
        finally:
            if not work.done() and not self.world.weather.happens("half_open"):
                work.cancel()
        if not work.done():
            raise CoreUnavailable(f"simulated: no answer to {name} in time")
        await self.travel()
        if self.core is not core or self.world.weather.happens("answer_lost"):
            raise CoreUnavailable(f"simulated: the answer to {name} is lost")
        return self.outcome(work)

    async def _dial(self, name: str) -> Core:
        """Bring a request to the Core that is up by then."""
        core = self.world.nearest()
        await self.travel("there")
        if core is None or not core.is_up or self.world.weather.happens("request_lost"):
            await self.travel()
            raise CoreUnavailable(f"simulated: {name} reaches nobody")
        # One connection at a time: what the Core before this one still had to say is not heard any more.
        self.core = core
        return core

    async def _later(self, core: Core, call: Callable[[EmbeddedCore], Awaitable[_T]]) -> _T:
        await asyncio.sleep(self.world.dice.choice((0.0, 1.0, 40.0)))
        return await call(core.face)

    async def travel(self, way: str = "back", *, sent_at: float | None = None) -> None:
        """On one connection nothing overtakes what was sent before it. Several things may be under way at once."""
        now = asyncio.get_running_loop().time()
        arrival = max((now if sent_at is None else sent_at) + self.world.weather.travel_s(), self._last[way] + 1e-6)
        self._last[way] = arrival
        await asyncio.sleep(max(arrival - now, 0))
        # A process that is stopped for a while neither sends nor receives.
        await self.thawed.wait()

    @staticmethod
    def outcome(work: asyncio.Task[_T]) -> _T:
        """The Core's answer. A Core that died gives none."""
        if work.cancelled():
            raise CoreUnavailable("simulated: the Core is gone")
        error = work.exception()
        if isinstance(error, ClientError) and not isinstance(error, CoreFailed):
            raise type(error)(*error.args)
        if error is not None:
            raise error
        answer = work.result()
        return _copy(answer) if isinstance(answer, Message) else answer


async def _pump(
    core: EmbeddedCore, execution_id: str, after_version: int, events: asyncio.Queue[tuple[Event, float]]
) -> None:
    async with aclosing(core.executions.history(execution_id, after_version=after_version, follow=True)) as history:
        async for event in history:
            events.put_nowait((_copy(event), asyncio.get_running_loop().time()))


def _copy(message: _M) -> _M:
    return type(message).from_bytes(message.to_bytes())


async def _nothing(work: Awaitable[Any]) -> bool:
    await work
    return True
