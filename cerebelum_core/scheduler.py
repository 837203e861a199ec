"""WorkflowScheduler: one durable timer index. Only a near window of it is in memory; never early.

The store knows every execution's earliest timer. Everything due before `horizon` is in the heap as well; what lies
beyond is read when its time comes near.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import TypeAlias

from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.clock import Clock
from cerebelum_core.errors import CoreError
from cerebelum_core.store import EventStore

WINDOW_NS = 60 * 1_000_000_000
MAX_LOADED = 10_000
AT_ONCE = 100
"""So many timers fire together: read, decided and written as one ..."""
MAX_FIRING = 6
"""... and so many such batches are under way: while one is written the next is read. Others wait."""
AHEAD_NS = 1_000_000_000
LOOK_NS = AHEAD_NS // 4
MAX_PREPARED = 2_000
"""So many executions whose timers are due within a second are brought back before: then only a record is missing."""
_LONGEST_NAP_S = 5.0
"""The wall clock may be set: look at it again after this long."""
_RETRY_S = 1.0
_SLACK = 1_000
"""So many outdated entries may the heap hold before it is swept."""

Fire: TypeAlias = Callable[[Sequence[str]], Awaitable[Mapping[str, Exception]]]
"""Fires the timers of executions; those of which it failed, and why."""
Prepare: TypeAlias = Callable[[Sequence[str]], Awaitable[None]]
"""Brings back executions whose timers are due soon."""

_log = logging.getLogger(__name__)


class WorkflowScheduler:
    """Calls `fire` for executions once their earliest timer is due, for many at once when many are."""

    def __init__(self, store: EventStore, clock: Clock, fire: Fire, prepare: Prepare) -> None:
        self._store = store
        self._clock = clock
        self._fire = fire
        self._prepare = prepare
        self._prepared_until_ns = self._next_look_ns = 0
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
        elif execution_id in self._firing:
            self._armed[execution_id] = due_ns  # it has its place in the heap when it has fired
        elif self._armed.get(execution_id) != due_ns:
            self._arm(execution_id, due_ns)
            self._changed.set()

    def look(self) -> None:
        """The clock was set: see what is due by now."""
        self._changed.set()

    @property
    def is_firing(self) -> bool:
        """Whether timers are on their way."""
        return bool(self._firing)

    def wants(self, execution_id: str) -> bool:
        """Whether an execution's timer is yet to fire, or firing."""
        return execution_id in self._armed or execution_id in self._firing

    def remind(self, execution_id: str, due_at: Timestamp | None) -> None:
        """The same from somebody who may be late: what was armed meanwhile is newer."""
        if execution_id not in self._armed:
            self.arm(execution_id, due_at)

    def _arm(self, execution_id: str, due_ns: int) -> None:
        self._armed[execution_id] = due_ns
        heapq.heappush(self._heap, (due_ns, execution_id))
        if len(self._heap) > 2 * len(self._armed) + _SLACK:
            self._sweep()

    def _sweep(self) -> None:
        """Drop the entries of timers that were armed anew or not at all."""
        self._heap = [(due_ns, execution_id) for execution_id, due_ns in self._armed.items()]
        heapq.heapify(self._heap)

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            try:
                await self._refill()
                await self._fire_due()
                self._look_ahead()
                await self._nap()
            except CoreError as error:
                _log.warning("timers wait for the store: %s", error)
                await asyncio.sleep(_RETRY_S)

    async def _refill(self) -> None:
        """Read what is due next, when all that was read before is on its way."""
        now_ns = self._clock.now().to_ns()
        if self._horizon_ns > now_ns + 2 * WINDOW_NS:
            self._draw_in(now_ns + WINDOW_NS)
        if self._horizon_ns > now_ns + WINDOW_NS // 2 or (self._armed and self._horizon_ns > now_ns):
            return
        until_ns, before_ns = now_ns + WINDOW_NS, self._horizon_ns
        # First the horizon, then the read: a timer armed meanwhile is in the heap, in what is read, or in both.
        self._horizon_ns = max(self._horizon_ns, until_ns)
        try:
            found = await self._store.due(Timestamp.from_ns(until_ns), limit=MAX_LOADED)
        except CoreError:
            self._horizon_ns = before_ns
            raise
        if len(found) == MAX_LOADED:
            self._horizon_ns = found[-1].wake_at.to_ns()
        for due in found:
            if due.execution_id not in self._firing and due.execution_id not in self._armed:
                self._arm(due.execution_id, due.wake_at.to_ns())

    def _draw_in(self, horizon_ns: int) -> None:
        """The clock was set back: what has become far away is left to the store again."""
        self._horizon_ns, self._prepared_until_ns, self._next_look_ns = horizon_ns, 0, 0
        self._armed = {each: due_ns for each, due_ns in self._armed.items() if due_ns < horizon_ns}
        self._sweep()

    async def _fire_due(self) -> None:
        while self._heap and self._heap[0][0] <= self._clock.now().to_ns():
            await self._free.acquire()
            due = self._take_due()
            self._firing.update(due)
            self._begin(self._fire_all(due))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _look_ahead(self) -> None:
        """Prepare what is due within a moment."""
        now_ns = self._clock.now().to_ns()
        until_ns = now_ns + AHEAD_NS
        if now_ns < self._next_look_ns or not self._heap or self._heap[0][0] > until_ns:
            return
        self._next_look_ns = now_ns + LOOK_NS
        near = sorted((due_ns, each) for each, due_ns in self._armed.items() if due_ns <= until_ns)[:MAX_PREPARED]
        fresh = [execution_id for due_ns, execution_id in near if due_ns > self._prepared_until_ns]
        self._prepared_until_ns = near[-1][0] if len(near) == MAX_PREPARED else until_ns
        if fresh:
            self._begin(self._prepare_all(fresh))

    async def _prepare_all(self, execution_ids: Sequence[str]) -> None:
        try:
            for first in range(0, len(execution_ids), AT_ONCE):
                await self._prepare(execution_ids[first : first + AT_ONCE])
        except CoreError as error:
            _log.debug("timers are read when they are due: %s", error)

    def _take_due(self) -> list[str]:
        """The executions whose timers are due first. One that is firing may be armed anew: it waits until it has."""
        due: list[str] = []
        now_ns = self._clock.now().to_ns()
        while self._heap and self._heap[0][0] <= now_ns and len(due) < AT_ONCE:
            due_ns, execution_id = heapq.heappop(self._heap)
            if self._armed.get(execution_id) == due_ns and execution_id not in self._firing:
                del self._armed[execution_id]
                due.append(execution_id)
        return due

    async def _fire_all(self, execution_ids: Sequence[str]) -> None:
        try:
            failures = await self._fire(execution_ids) if execution_ids else {}
        except Exception as error:
            failures = dict.fromkeys(execution_ids, error)
        self._free.release()
        for execution_id, failure in failures.items():
            crash = None if isinstance(failure, CoreError) else failure
            _log.warning("the timer of execution %s is tried again: %s", execution_id, failure, exc_info=crash)
            self._try_later(execution_id)
        self._firing.difference_update(execution_ids)
        for execution_id in execution_ids:
            due_ns = self._armed.get(execution_id)
            if due_ns is not None:
                self._arm(execution_id, due_ns)
                self._changed.set()

    def _try_later(self, execution_id: str) -> None:
        later_ns = self._clock.now().to_ns() + int(_RETRY_S * 1e9)
        # What was armed while it fired may be the very timer that has failed: it must not fire again at once.
        if self._armed.get(execution_id, 0) < later_ns:
            self._arm(execution_id, later_ns)
            self._changed.set()

    async def _nap(self) -> None:
        """Sleep until something may be due."""
        now_ns = self._clock.now().to_ns()
        next_ns = self._horizon_ns
        if self._heap:
            due_ns = self._heap[0][0]
            next_ns = min(due_ns, max(due_ns - AHEAD_NS, self._next_look_ns), next_ns)
        nap_s = min(max((next_ns - now_ns) / 1e9, 0), _LONGEST_NAP_S)
        if nap_s <= 0 and not self._heap and self._horizon_ns > now_ns:
            nap_s = _LONGEST_NAP_S
        try:
            async with asyncio.timeout(nap_s):
                await self._changed.wait()
        except TimeoutError:
            pass
