"""Turns: work on many executions at one go lets what came meanwhile go first, and then takes as long as that took.

So neither of them waits for the other to come to an end, however much there is of it.
"""

from __future__ import annotations

import asyncio

from cerebelum_core.clock import Clock

LEAST_NS = 2_000_000
"""A turn is so long, though nothing else had anything to do ..."""
MOST_NS = 20_000_000
"""... and no longer than this, though something else took longer."""


class Turns:
    """One after another has a turn; in between the loop goes round."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next = asyncio.Lock()
        self._over_ns = 0

    async def take(self) -> None:
        """Let everything else have its turn, and then begin one."""
        async with self._next:
            asked_ns = self._now_ns()
            await asyncio.sleep(0)
            now_ns = self._now_ns()
            self._over_ns = now_ns + min(max(now_ns - asked_ns, LEAST_NS), MOST_NS)

    @property
    def is_over(self) -> bool:
        """Whether whoever has the turn should take another one before it goes on."""
        return self._now_ns() >= self._over_ns

    def _now_ns(self) -> int:
        return self._clock.now().to_ns()
