"""A worker's talk with a Core over one stream: tasks come as there is room, results go as they are there.

The stream may break at any time. What runs goes on, what has finished is kept, and both are told on the next stream.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from math import inf

from cerebelum.hands import FRAME_BYTES, Hands, Held, size_of, takable, untakable
from cerebelum_client import Backoff, ClientError, Core, CoreUnavailable, Unsupported
from cerebelum_proto.stream.v1 import stream_pb
from cerebelum_proto.worker import worker_service_pb as pb

_FRAME_RESULTS = 32
"""At the most: the Core decides about them while the next frame is made."""
_RETRY_S = 1.0
_QUIET_S = 30.0
_STANDSTILL_S = 1.0
_STOOD_STILL = (
    "the worker stood still for %.1f s or longer, with %s in hand: an `async def` step that blocks holds up all others"
    " and the signs of life, without which the Core takes them for lost and has them run again; make it a plain `def`"
)
"""Nothing else tells whoever wrote such a step why its results do not count."""
_log = logging.getLogger(__name__)


class Streaming:
    """Takes, runs and hands in, over one stream after another, until it is cancelled."""

    def __init__(
        self,
        core: Core,
        hands: Hands,
        announce: Callable[[], Awaitable[pb.RegisterRequest]],
        chance: Callable[[], float],
    ) -> None:
        self._core = core
        self._hands = hands
        self._announce = announce
        self._chance = chance
        self._stream = _Stream()
        self._leaving = False
        self._quiet_until = -inf

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Work until cancelled.

        Raises:
            Unsupported: the Core has no streams.
            DefinitionError: it refuses one of the workflows.
        """
        backoff = Backoff(longest_s=0.5)
        pauses = backoff.pauses(self._chance)
        level = logging.WARNING
        while True:
            self._stream, failed = _Stream(), False
            try:
                await self._talk(on_ready)
                reason: object = "the Core ended the stream"
            except Unsupported:
                raise
            except CoreUnavailable as error:
                reason = error
            except ClientError as error:
                _log.error("the stream to the Core failed: %s", error)
                reason, failed = error, True
            if self._stream.welcomed and not failed:  # what failed may fail again as soon as it is welcomed
                pauses, level = backoff.pauses(self._chance), logging.WARNING
            _log.log(level, "%s; trying again", reason)
            level = logging.INFO  # until it has succeeded
            await asyncio.sleep(next(pauses))

    def leave(self) -> None:
        """Take no more tasks."""
        self._leaving = True
        self._stream.leave()

    async def _talk(self, on_ready: Callable[[], None]) -> None:
        """One stream, from its first frame until it breaks."""
        stream = self._stream
        stream.room = self._hands.room
        if self._leaving:
            stream.leave()
        for held in self._hands.finished:
            stream.send(held)
        async with aclosing(self._core.workers.work(stream.frames(await self._announce()))) as frames:
            beating: asyncio.Task[None] | None = None
            try:
                async for frame in frames:
                    if frame.welcome is not None:
                        stream.welcomed = True
                        interval_s = max(frame.welcome.heartbeat_interval_ms / 1000, 0.1)
                        beating = asyncio.create_task(self._beat_every(interval_s, stream))
                        self._hands.lose(frame.welcome.lost_task_ids)
                        self._hands.stop(frame.welcome.cancelled_task_ids)
                        on_ready()
                    self._hear(frame, stream)
            finally:
                if beating is not None:
                    beating.cancel()

    def _hear(self, frame: stream_pb.WorkResponse, stream: _Stream) -> None:
        # What is over comes first: a task may be handed out anew that was lost, or refused, before.
        for number in frame.recorded:
            self._hands.let_go(stream.answered(number))
        for refusal in frame.refusals:
            self._refused(refusal, stream)
        self._hands.lose(frame.lost_task_ids)
        self._hands.stop(frame.cancelled_task_ids)
        beat, pass_on, ended = self._beat, self._pass_on, self._ended
        for task in frame.tasks:
            if self._hands.run(task, beat, pass_on, ended) is None:
                stream.give_room()

    async def _beat(self) -> None:
        self._stream.beat()
        await asyncio.sleep(0)

    async def _beat_every(self, interval_s: float, stream: _Stream) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + interval_s
            await asyncio.sleep(interval_s)
            stream.beat()
            if (late_s := loop.time() - due) >= max(interval_s / 2, _STANDSTILL_S):
                _log.warning(_STOOD_STILL, late_s, ", ".join(self._hands.step_names) or "nothing")

    def _pass_on(self, task_id: str) -> None:
        self._stream.pass_on(task_id)

    # -- tasks -------------------------------------------------------------------------------

    def _ended(self, held: Held) -> None:
        self._stream.give_room()
        if held.result is None:
            if self._hands.let_go(held):
                self._stream.drop(held.task_id)
        else:
            held.result = takable(held.result)
            self._stream.send(held)

    def _refused(self, refusal: stream_pb.ResultRefusal, stream: _Stream) -> None:
        held = stream.answered(refusal.number)
        if refusal.kind is stream_pb.RefusalKind.REFUSAL_KIND_UNAVAILABLE:
            self._tell_again(held, refusal.message)
            asyncio.get_running_loop().call_later(_RETRY_S, self._try_again, stream, held)
        elif refusal.kind is stream_pb.RefusalKind.REFUSAL_KIND_STALE:
            _log.warning("%s", refusal.message)
            self._hands.let_go(held)
        elif held.result is None or held.result.status is pb.TaskStatus.FAILED:
            _log.error("the Core cannot take the result of %s: %s", held.task_id, refusal.message)
            self._hands.let_go(held)
        else:
            held.result = untakable(held.result, refusal.message)
            self._stream.send(held)

    def _tell_again(self, held: Held, reason: str) -> None:
        """An outage meets every result, each second: it is one thing to be told, not thousands."""
        now = asyncio.get_running_loop().time()
        level = logging.WARNING if now >= self._quiet_until else logging.DEBUG
        if level == logging.WARNING:
            self._quiet_until = now + _QUIET_S
        _log.log(level, "the result of %s is tried again, as others may be: %s", held.task_id, reason)

    def _try_again(self, stream: _Stream, held: Held) -> None:
        if stream is self._stream:  # a later stream began with all that was not taken
            stream.send(held)


class _Stream:
    """What one stream has to say, and which results it said under which number."""

    def __init__(self) -> None:
        self.room = 0
        self.welcomed = False
        self._unsent: list[Held] = []
        self._sent: dict[int, Held] = {}
        self._count = 0
        self._dropped: list[str] = []
        self._beat = False
        self._beating: list[str] = []
        self._leaving = False
        self._changed = asyncio.Event()
        self._first: stream_pb.WorkRequest | None = None

    def send(self, held: Held) -> None:
        if not self._unsent:
            self._changed.set()
        self._unsent.append(held)

    def give_room(self) -> None:
        """There is room for one more task."""
        if not self.room:
            self._changed.set()
        self.room += 1

    def drop(self, task_id: str) -> None:
        self._dropped.append(task_id)
        self._changed.set()

    def beat(self) -> None:
        self._beat = True
        self._changed.set()

    def pass_on(self, task_id: str) -> None:
        self._beating.append(task_id)
        self._changed.set()

    def leave(self) -> None:
        self._leaving = True
        self._changed.set()

    def answered(self, number: int) -> Held:
        """Whose result had this number, which is settled now."""
        return self._sent.pop(number)

    def frames(self, registration: pb.RegisterRequest) -> AsyncIterator[stream_pb.WorkRequest]:
        """What is said, in frames: all that came together goes together."""
        self._first = stream_pb.WorkRequest(registration=registration)
        return self

    def __aiter__(self) -> AsyncIterator[stream_pb.WorkRequest]:
        return self

    async def __anext__(self) -> stream_pb.WorkRequest:
        frame, self._first = self._first, None
        if frame is None:
            frame = stream_pb.WorkRequest()
            if not self._unsent:
                await self._changed.wait()
        self._changed.clear()
        self._fill(frame)
        return frame

    def _fill(self, frame: stream_pb.WorkRequest) -> None:
        size, taken = 0, 0
        for held in self._unsent[:_FRAME_RESULTS]:
            taken += 1
            if held.result is None:
                continue
            self._count += 1
            self._sent[self._count] = held
            frame.results.append(held.result)
            size += size_of(held.result)
            if size >= FRAME_BYTES:
                break
        self._unsent = self._unsent[taken:]
        frame.dropped_task_ids, self._dropped = self._dropped, []
        frame.room, self.room = (0 if self._leaving else self.room), 0
        frame.beat, self._beat = self._beat, False
        frame.beating_task_ids, self._beating = self._beating, []
        frame.leaving = self._leaving
