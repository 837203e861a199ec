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
    """The machine's wall clock."""

    def now(self) -> Timestamp:
        """The instant that it is, by the machine."""
        return Timestamp.from_ns(time.time_ns())
