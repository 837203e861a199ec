"""Wall time, passed in. Nothing else in the Core reads a clock."""

from __future__ import annotations

import time
from typing import Protocol

from cerebelum_codegen.runtime import Timestamp


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> Timestamp:
        """The instant that it is."""


class SystemClock:
    """The machine's wall clock, to the millisecond: all that happens within one is told the same instant."""

    def now(self) -> Timestamp:
        """The instant that it is, by the machine."""
        return Timestamp.from_ms(time.time_ns() // 1_000_000)
