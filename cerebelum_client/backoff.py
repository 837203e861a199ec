"""How long to wait before trying again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Pauses that double up to a limit, each shortened by up to half at random, so that callers spread out."""

    first_s: float = 0.05
    longest_s: float = 1.0

    def pauses(self, chance: Callable[[], float]) -> Iterator[float]:
        """Pauses in seconds without end; `chance` gives numbers from 0 to 1."""
        pause_s = self.first_s
        while True:
            yield pause_s * (1 - chance() / 2)
            pause_s = min(pause_s * 2, self.longest_s)
