"""What time it is on this machine, for when steps began and ended."""

from __future__ import annotations

import time

from cerebelum_codegen.runtime import Timestamp


def now() -> Timestamp:
    """This instant, to the millisecond."""
    return Timestamp.from_ms(time.time_ns() // 1_000_000)
