"""Arithmetic on exact instants."""

from __future__ import annotations

from cerebelum_codegen.runtime.wkt import Timestamp

_NS_PER_MS = 1_000_000
# 9999-12-31T23:59:59.999999999Z, the last instant that protobuf's Timestamp allows.
_LAST_NS = 253_402_300_799_999_999_999


def after(instant: Timestamp, duration_ms: int) -> Timestamp:
    """The instant `duration_ms` milliseconds later, at most the end of the year 9999."""
    return Timestamp.from_ns(min(instant.to_ns() + duration_ms * _NS_PER_MS, _LAST_NS))


def reached(instant: Timestamp | None, now: Timestamp) -> bool:
    """Whether there is such an instant, and it has come."""
    return instant is not None and instant.to_ns() <= now.to_ns()


def milliseconds_between(earlier: Timestamp, later: Timestamp) -> int:
    """Whole milliseconds from one instant to another, 0 when they are the other way round."""
    return max(0, (later.to_ns() - earlier.to_ns()) // _NS_PER_MS)
