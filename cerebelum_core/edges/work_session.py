"""One worker's stream: it is a taker with room, hands over what it takes, and answers each result by its number."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from cerebelum_codegen.runtime import Timestamp
from cerebelum_codegen.runtime.rpc import RpcError
from cerebelum_core.edges.handouts import Handouts, size_of
from cerebelum_core.edges.outbox import Outbox
from cerebelum_core.errors import CoreError, UnknownExecution
from cerebelum_core.execution import Accepted, Answer
from cerebelum_core.leases import Lease
from cerebelum_core.offers import Pool
from cerebelum_core.registry import Registry
from cerebelum_core.router import TaskRouter
from cerebelum_core.workers import Worker
from cerebelum_engine import Reason, Rejected, read_result
from cerebelum_proto.stream.v1 import stream_pb as pb
from cerebelum_proto.worker.worker_service_pb import Task, TaskResult

FRAME_ITEMS = 128
"""Tasks and answers in one frame at the most, so that a worker begins while the next frame is made ..."""
FRAME_BYTES = 1024 * 1024
"""... and a frame is closed once its payloads reach this size, so that it stays below what a message may be."""

_RETRY_S = 1.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Read:
    """A task whose execution was not in memory."""

    lease: Lease
    task: Task


@dataclass(frozen=True, slots=True)
class _Lost:
    task_id: str


@dataclass(frozen=True, slots=True)
class _Cancelled:
    task_id: str


_Handed: TypeAlias = Lease | _Read
_Item: TypeAlias = _Handed | int | pb.ResultRefusal | _Lost | _Cancelled
"""A task to hand over, the number of a recorded result, one that is not recorded, a task to drop or to stop."""


class WorkSession:
    """A `Session` of the router."""

    def __init__(
        self, worker: Worker, lease_s: float, *, registry: Registry, router: TaskRouter, handouts: Handouts
    ) -> None:
        self.worker_id = worker.registration.worker_id
        self.pools: Collection[Pool] = frozenset(worker.pools)
        self.lease_s = lease_s
        self.room = 0
        self._worker = worker
        self._registry = registry
        self._router = router
        self._handouts = handouts
        self._asked = 0
        self._leaving = False
        self._number = 0
        self._reading: set[asyncio.Future[None]] = set()
        self._outbox: Outbox[_Item] = Outbox()

    # -- a session of the router -------------------------------------------------------------

    def take(self, lease: Lease) -> None:
        """Be handed a task."""
        self.room -= 1
        self._outbox.put(lease)

    def dismiss(self) -> None:
        """The worker seems gone: it gets no more until it speaks again."""
        self._asked, self.room = self._asked + self.room, 0

    def revoke(self, lease: Lease) -> None:
        """A task is not owed any more: tell the worker, unless it is its own result that settles it."""
        if not lease.settling:
            self._outbox.put(_Lost(lease.task_id))

    def stop(self, task_id: str) -> None:
        """The step of a task is to clean up and end."""
        self._outbox.put(_Cancelled(task_id))

    # -- what the worker says ----------------------------------------------------------------

    def receive(self, frame: pb.WorkRequest) -> None:
        """Take results, signs of life and room."""
        for result in frame.results:
            self._number += 1
            self._record(self._number, result)
        if frame.beating_task_ids:
            self._router.leases.beat(self.worker_id, frame.beating_task_ids)
        if frame.beat:
            self._router.leases.renew(self._router.leases.of(self.worker_id))
        for task_id in frame.dropped_task_ids:
            lease = self._router.lease_of(task_id)
            if lease is not None and lease.worker_id == self.worker_id:
                self._router.lose(lease, "its worker gave it up without a result")
        self._leaving |= frame.leaving
        self.room = 0 if self._leaving else self.room + frame.room + self._asked
        self._asked = 0
        self._router.serve(self)

    def close(self) -> None:
        """Take no more tasks, say what is left, and end."""
        self._router.detach(self)
        self._leaving, self.room = True, 0
        self._outbox.close()

    def give_back(self) -> None:
        """The connection is gone: offer to others what was never sent."""
        for reading in self._reading:
            reading.cancel()  # which gives back what was read for
        for item in self._outbox.take_back():
            if isinstance(item, Lease):
                self._router.give_back(item)
            elif isinstance(item, _Read):
                self._router.give_back(item.lease)

    def _record(self, number: int, result: TaskResult) -> None:
        result.worker_id = self.worker_id
        command = read_result(result)
        if isinstance(command, Rejected):
            self._refuse(number, pb.RefusalKind.REFUSAL_KIND_INVALID, command.message)
            return
        self._settle(result.task_id, True)
        self._registry.post(result.execution_id, command, partial(self._replied, number, result.task_id))

    def _settle(self, task_id: str, under_way: bool) -> None:
        """Note whether the worker's own result is to settle a task that it has."""
        lease = self._router.lease_of(task_id)
        if lease is not None and lease.worker_id == self.worker_id:
            lease.settling = under_way

    def _replied(self, number: int, task_id: str, answer: Answer | Exception) -> None:
        if isinstance(answer, Accepted):
            self._outbox.put(number)
            return
        self._settle(task_id, False)
        if isinstance(answer, Rejected) and answer.reason is not Reason.DUPLICATE:
            stale = answer.reason in (Reason.STALE, Reason.ENDED)
            kind = pb.RefusalKind.REFUSAL_KIND_STALE if stale else pb.RefusalKind.REFUSAL_KIND_INVALID
            self._refuse(number, kind, answer.message)
        elif isinstance(answer, UnknownExecution):
            self._refuse(number, pb.RefusalKind.REFUSAL_KIND_STALE, str(answer))
        elif isinstance(answer, Exception):
            if not isinstance(answer, CoreError):
                _log.error("the result of task %s cannot be recorded", task_id, exc_info=answer)
            self._refuse(number, pb.RefusalKind.REFUSAL_KIND_UNAVAILABLE, str(answer))
        else:
            self._outbox.put(number)

    def _refuse(self, number: int, kind: pb.RefusalKind, message: str) -> None:
        self._outbox.put(pb.ResultRefusal(number=number, kind=kind, message=message))

    # -- what the worker hears ---------------------------------------------------------------

    async def frame(self) -> pb.WorkResponse | None:
        """The next frame, once there is something to say; None when the session is closed."""
        while await self._outbox.filled():
            frame = self._filled()
            if frame is not None:
                return frame
        return None

    def _filled(self) -> pb.WorkResponse | None:
        """A frame of what there is to say; None when it comes to nothing."""
        frame, count, size, now = pb.WorkResponse(), 0, 0, self._handouts.clock.now()
        while count < FRAME_ITEMS and size < FRAME_BYTES and (item := self._outbox.take()) is not None:
            if isinstance(item, _Handed):
                task = self._task(item, now)
                if task is None:
                    continue
                taken = size_of(task)
                if taken > FRAME_BYTES and not self._fits(task, taken, item):
                    continue
                frame.tasks.append(task)
                size += taken
            elif isinstance(item, int):
                frame.recorded.append(item)
            elif isinstance(item, _Lost):
                frame.lost_task_ids.append(item.task_id)
            elif isinstance(item, _Cancelled):
                frame.cancelled_task_ids.append(item.task_id)
            else:
                frame.refusals.append(item)
            count += 1
        return frame if count else None

    def _task(self, item: Lease | _Read, now: Timestamp) -> Task | None:
        """The task of a lease; None when it is yet to be read, or has moved on, which leaves room for another."""
        if isinstance(item, _Read):
            task = None if item.lease.ended else item.task
        elif (state := self._registry.live_state(item.execution_id)) is not None:
            task = self._handouts.made(state, item, self._worker, now)
        else:
            reading = asyncio.ensure_future(self._read(item))  # what else there is to say does not wait for it
            self._reading.add(reading)
            reading.add_done_callback(self._reading.discard)
            return None
        if task is None:
            self._regain_room()
        return task

    def _fits(self, task: Task, size: int, item: _Handed) -> bool:
        lease = item.lease if isinstance(item, _Read) else item
        fits = self._handouts.fits(task, size, lease, self._worker)
        if not fits:
            self._regain_room()
        return fits

    async def _read(self, lease: Lease) -> None:
        """Read an execution that is not in memory. While it cannot be read there is less room, for the next one could
        not be read either.
        """
        try:
            task = await self._handouts.task(lease, self._worker)
        except RpcError as error:
            _log.warning("task %s is handed out later: %s", lease.task_id, error.message)
            asyncio.get_running_loop().call_later(_RETRY_S, self._regain_room)
            return
        if task is None:
            self._regain_room()
        else:
            self._outbox.put(_Read(lease, task))

    def _regain_room(self) -> None:
        """A task that was taken has moved on: there is room for another."""
        if not self._leaving:
            self.room += 1
            self._router.serve(self)
