"""Leases: who has which task, and until when. Memory only: after a restart, living workers say what they hold."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(slots=True)
class Lease:
    """A task in a worker's hands."""

    task_id: str
    execution_id: str
    worker_id: str
    length_s: float
    expires_at: float
    """By the loop's clock, which no one can set back."""


class Leases:
    """Every lease, with one timer for the one that ends first."""

    def __init__(self, on_expired: Callable[[Lease], None]) -> None:
        self._on_expired = on_expired
        self._by_task: dict[str, Lease] = {}
        self._by_worker: dict[str, dict[str, Lease]] = {}
        self._ends: list[tuple[float, str]] = []
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._by_task)

    def get(self, task_id: str) -> Lease | None:
        """The lease of a task."""
        return self._by_task.get(task_id)

    def of(self, worker_id: str) -> list[Lease]:
        """Everything that a worker holds."""
        return list(self._by_worker.get(worker_id, {}).values())

    def grant(self, task_id: str, execution_id: str, worker_id: str, length_s: float) -> Lease:
        """Give a task to a worker."""
        lease = Lease(task_id, execution_id, worker_id, length_s, _now() + length_s)
        self._by_task[task_id] = lease
        self._by_worker.setdefault(worker_id, {})[task_id] = lease
        heapq.heappush(self._ends, (lease.expires_at, task_id))
        self._arm()
        return lease

    def renew(self, leases: Iterable[Lease]) -> None:
        """Their worker gave a sign of life."""
        for lease in leases:
            lease.expires_at = _now() + lease.length_s

    def end(self, task_id: str) -> Lease | None:
        """Take a task out of a worker's hands."""
        lease = self._by_task.pop(task_id, None)
        if lease is not None:
            held = self._by_worker[lease.worker_id]
            del held[task_id]
            if not held:
                del self._by_worker[lease.worker_id]
        return lease

    def close(self) -> None:
        """Let no further lease end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._ends.clear()

    def _arm(self) -> None:
        if self._timer is not None and (not self._ends or self._timer.when() <= self._ends[0][0]):
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._ends:
            self._timer = asyncio.get_running_loop().call_at(self._ends[0][0], self._expire)

    def _expire(self) -> None:
        self._timer = None
        expired: list[Lease] = []
        while self._ends and self._ends[0][0] <= _now():
            _, task_id = heapq.heappop(self._ends)
            lease = self._by_task.get(task_id)
            if lease is None:
                continue
            if lease.expires_at > _now():
                # Renewed since: an entry waits for its new end, instead of one more entry a heartbeat.
                heapq.heappush(self._ends, (lease.expires_at, task_id))
            else:
                expired.append(lease)
        self._arm()
        for lease in expired:
            if self.end(lease.task_id) is not None:
                self._on_expired(lease)


def _now() -> float:
    return asyncio.get_running_loop().time()
