"""WorkflowScheduler: one durable timer index. Only a near window of it is in memory; never early.

The store knows every execution's earliest timer. Everything due before `horizon` is in the heap as well; what lies
beyond is read when its time comes near.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Awaitable, Callable

from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.clock import Clock
from cerebelum_core.errors import CoreError
from cerebelum_core.store import EventStore

WINDOW_NS = 60 * 1_000_000_000
MAX_LOADED = 10_000
MAX_FIRING = 256
"""Timers that fire at once: others wait, so that work that runs is not starved."""
_LONGEST_NAP_S = 5.0
"""The wall clock may be set: look at it again after this long."""
_RETRY_NS = 1_000_000_000

_log = logging.getLogger(__name__)


class WorkflowScheduler:
    """Calls `fire` for an execution once its earliest timer is due."""

    def __init__(self, store: EventStore, clock: Clock, fire: Callable[[str], Awaitable[None]]) -> None:
        self._store = store
        self._clock = clock
        self._fire = fire
        self._heap: list[tuple[int, str]] = []
        self._armed: dict[str, int] = {}
        self._horizon_ns = 0
        self._changed = asyncio.Event()
        self._firing: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._free = asyncio.Semaphore(MAX_FIRING)
        self._loop_task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to fire."""
        self._loop_task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Fire no more, and wait for those that are under way."""
        if self._loop_task is not None:
            self._loop_task.cancel()
            await asyncio.wait([self._loop_task])
        if self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def armed_count(self) -> int:
        """How many timers are in memory."""
        return len(self._armed)

    def arm(self, execution_id: str, due_at: Timestamp | None) -> None:
        """An execution's earliest timer is now this one, or there is none any more."""
        due_ns = None if due_at is None else due_at.to_ns()
        if due_ns is None or due_ns >= self._horizon_ns:
            self._armed.pop(execution_id, None)
            return
        if self._armed.get(execution_id) != due_ns:
            self._armed[execution_id] = due_ns
            heapq.heappush(self._heap, (due_ns, execution_id))
            self._changed.set()

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            try:
                await self._refill()
                await self._fire_due()
            except CoreError as error:
                _log.warning("timers wait for the store: %s", error)
            await self._nap()

    async def _refill(self) -> None:
        """Read what is due next, when all that was read before is on its way."""
        now_ns = self._clock.now().to_ns()
        if self._horizon_ns > now_ns + WINDOW_NS // 2 or (self._armed and self._horizon_ns > now_ns):
            return
        until_ns = now_ns + WINDOW_NS
        # First the horizon, then the read: a timer armed meanwhile is in the heap, in what is read, or in both.
        self._horizon_ns = max(self._horizon_ns, until_ns)
        found = await self._store.due(Timestamp.from_ns(until_ns), limit=MAX_LOADED)
        if len(found) == MAX_LOADED:
            self._horizon_ns = found[-1].wake_at.to_ns()
        for due in found:
            if due.execution_id not in self._firing and due.execution_id not in self._armed:
                due_ns = due.wake_at.to_ns()
                self._armed[due.execution_id] = due_ns
                heapq.heappush(self._heap, (due_ns, due.execution_id))

    async def _fire_due(self) -> None:
        while self._heap and self._heap[0][0] <= self._clock.now().to_ns():
            due_ns, execution_id = heapq.heappop(self._heap)
            if self._armed.get(execution_id) != due_ns:
                continue
            await self._free.acquire()
            if self._armed.get(execution_id) == due_ns:
                del self._armed[execution_id]
            self._firing.add(execution_id)
            task = asyncio.create_task(self._fire_one(execution_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _fire_one(self, execution_id: str) -> None:
        try:
            await self._fire(execution_id)
        except CoreError as error:
            _log.warning("the timer of execution %s is tried again: %s", execution_id, error)
            self._try_later(execution_id)
        except Exception:
            _log.exception("the timer of execution %s failed and is tried again", execution_id)
            self._try_later(execution_id)
        finally:
            self._firing.discard(execution_id)
            self._free.release()

    def _try_later(self, execution_id: str) -> None:
        due_ns = self._clock.now().to_ns() + _RETRY_NS
        if execution_id not in self._armed:
            self._armed[execution_id] = due_ns
            heapq.heappush(self._heap, (due_ns, execution_id))

    async def _nap(self) -> None:
        """Sleep until something may be due."""
        now_ns = self._clock.now().to_ns()
        next_ns = min(self._heap[0][0] if self._heap else self._horizon_ns, self._horizon_ns)
        nap_s = min(max((next_ns - now_ns) / 1e9, 0), _LONGEST_NAP_S)
        if nap_s <= 0 and not self._heap and self._horizon_ns > now_ns:
            nap_s = _LONGEST_NAP_S
        try:
            async with asyncio.timeout(nap_s):
                await self._changed.wait()
        except TimeoutError:
            pass
