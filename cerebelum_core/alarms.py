"""Alarms by key, with one timer of the loop for the one that is due first."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

_SLACK = 1_000
"""So many outdated entries may the heap hold before it is swept."""


class Alarms:
    """Rings once for each key, unless it was cleared or set anew before."""

    def __init__(self, on_due: Callable[[str], None]) -> None:
        self._on_due = on_due
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: str, delay_s: float) -> None:
        """Ring for this key after so many seconds, and not at an earlier time."""
        due = asyncio.get_running_loop().time() + max(delay_s, 0)
        self._due[key] = due
        heapq.heappush(self._heap, (due, key))
        if len(self._heap) > 2 * len(self._due) + _SLACK:
            self._heap = [(due, key) for key, due in self._due.items()]
            heapq.heapify(self._heap)
        self._arm()

    def clear(self, key: str) -> None:
        """Do not ring for this key."""
        self._due.pop(key, None)

    def close(self) -> None:
        """Ring no more."""
        self._due.clear()
        self._heap.clear()
        self._arm()

    def _arm(self) -> None:
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            self._timer = asyncio.get_running_loop().call_at(self._heap[0][0], self._ring)

    def _ring(self) -> None:
        self._timer = None
        now, ringing = asyncio.get_running_loop().time(), list[str]()
        while self._heap and self._heap[0][0] <= now:
            due, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                del self._due[key]
                ringing.append(key)
        self._arm()
        for key in ringing:
            self._on_due(key)
