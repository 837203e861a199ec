"""A stream from one process to a Core: frames keep their order, and where one is lost, the stream is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Generic, TypeVar

from cerebelum_client import CoreUnavailable
from cerebelum_codegen.runtime.message import Message
from cerebelum_proto.stream.v1 import stream_pb
from cerebelum_proto.worker import worker_service_pb as pb

if TYPE_CHECKING:
    from tests.simulation.core.core import Core
    from tests.simulation.core.line import Line
    from tests.simulation.core.world import World

_Request = TypeVar("_Request", bound=Message)
_Response = TypeVar("_Response", bound=Message)
_KEEPALIVE_S = 60.0
"""After so long, a Core notices that nobody is at the other end."""


class Talk(Generic[_Request, _Response]):
    """What the world learns of a stream: of most, nothing."""

    def sent(self, frame: _Request) -> None:
        """Who opened it says something."""

    def heard(self, frame: _Request) -> None:
        """The Core hears it."""

    def said(self, frame: _Response) -> None:
        """The Core answers."""

    def got(self, frame: _Response) -> None:
        """The answer is heard."""


class WorkerTalk(Talk[stream_pb.WorkRequest, stream_pb.WorkResponse]):
    """What the world learns of a worker's stream."""

    def __init__(self, world: World, core: Core, worker_id: str) -> None:
        self._world = world
        self._core = core
        self._worker_id = worker_id
        self._held: list[str] = []
        self._results: list[pb.TaskResult] = []

    def sent(self, frame: stream_pb.WorkRequest) -> None:
        """The worker says something."""
        for result in frame.results:
            self._world.truth.handed_in(result)
            self._results.append(result)

    def heard(self, frame: stream_pb.WorkRequest) -> None:
        """The Core hears it."""
        if frame.registration is not None:
            self._held = frame.registration.held_task_ids
            self._world.note(f"{self._worker_id} opens a stream, with {self._held}")
        if frame.beat and self._core.is_owner:
            self._world.hands.beat(self._worker_id, self._core.node.router.leases)

    def said(self, frame: stream_pb.WorkResponse) -> None:
        """The Core answers."""
        if frame.welcome is not None and self._core.is_owner:
            self._world.hands.keep(self._worker_id, self._held, frame.welcome.lost_task_ids)
        for task in frame.tasks:
            self._world.handed_out(self._core, self._worker_id, task, within=3)

    def got(self, frame: stream_pb.WorkResponse) -> None:
        """The worker hears it."""
        for number in frame.recorded:
            result = self._results[number - 1]
            ack = pb.Ack(success=True, outcome=pb.ResultOutcome.RESULT_OUTCOME_RECORDED)
            self._world.truth.acknowledged(result, ack)


async def converse(
    line: Line,
    core: Core,
    requests: AsyncIterator[_Request],
    answer: Callable[[AsyncIterator[_Request]], AsyncGenerator[_Response, None]],
    talk: Talk[_Request, _Response],
) -> AsyncGenerator[_Response, None]:
    """Carry a stream both ways until it ends, breaks, or the Core is gone."""
    there: asyncio.Queue[_Request] = asyncio.Queue()
    back: asyncio.Queue[_Response] = asyncio.Queue()
    serving = core.serve(_serve(answer(_arriving(there, talk)), back, talk))
    sending = asyncio.ensure_future(_send(line, requests, there, talk))
    try:
        while (frame := await _next(back, serving, sending)) is not None:
            await line.travel()
            if line.core is not core or line.world.weather.happens("answer_lost"):
                raise CoreUnavailable("simulated: the stream broke")
            talk.got(frame)
            yield frame
        await line.travel()
        line.outcome(serving)
    finally:
        sending.cancel()
        if line.world.weather.happens("half_open"):
            core.serve(_notice_later(serving))
        else:
            serving.cancel()
        await asyncio.wait([sending])


async def _send(
    line: Line, requests: AsyncIterator[_Request], there: asyncio.Queue[_Request], talk: Talk[_Request, _Response]
) -> None:
    async for frame in requests:
        talk.sent(frame)
        await line.travel("there")
        if line.world.weather.happens("request_lost"):
            raise CoreUnavailable("simulated: the stream broke")
        there.put_nowait(type(frame).from_bytes(frame.to_bytes()))


async def _arriving(there: asyncio.Queue[_Request], talk: Talk[_Request, _Response]) -> AsyncIterator[_Request]:
    while True:
        frame = await there.get()
        talk.heard(frame)
        yield frame


async def _serve(
    frames: AsyncGenerator[_Response, None], back: asyncio.Queue[_Response], talk: Talk[_Request, _Response]
) -> None:
    async with aclosing(frames):
        async for frame in frames:
            talk.said(frame)
            back.put_nowait(type(frame).from_bytes(frame.to_bytes()))


async def _next(
    back: asyncio.Queue[_Response], serving: asyncio.Task[None], sending: asyncio.Task[None]
) -> _Response | None:
    """The next frame; None when the Core says no more.

    Raises:
        CoreUnavailable: nothing can be said any more.
    """
    getting = asyncio.ensure_future(back.get())
    try:
        await asyncio.wait([getting, serving, sending], return_when=asyncio.FIRST_COMPLETED)
        if getting.done():
            return getting.result()
        if sending.done():
            sending.result()
        return None
    finally:
        getting.cancel()


async def _notice_later(serving: asyncio.Task[None]) -> None:
    await asyncio.wait([serving], timeout=_KEEPALIVE_S)
    serving.cancel()
