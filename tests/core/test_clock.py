"""The machine's clock."""

from __future__ import annotations

import time

from cerebelum_core.clock import SystemClock


def test_the_machines_clock_tells_the_millisecond_that_it_is() -> None:
    clock = SystemClock()
    before, told, after = time.time_ns(), clock.now().to_ns(), time.time_ns()
    assert before - 1_000_000 < told <= after
    assert told % 1_000_000 == 0


def test_it_never_tells_a_time_that_is_yet_to_come() -> None:
    clock = SystemClock()
    assert all(clock.now().to_ns() <= time.time_ns() for _ in range(1_000))
