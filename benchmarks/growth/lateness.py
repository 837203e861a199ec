"""How late timers are. It imports nothing of ours: the peers use it in environments of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

HEAD_START_S = 6.0
"""So long before they are due timers are set: all of them are, when the first one is."""


def lateness(late_s: Sequence[float]) -> dict[str, float]:
    """How many were early, and how late they were."""
    ordered = sorted(late_s)
    return {
        "early": sum(each < 0 for each in ordered),
        "late_p50_ms": round(ordered[len(ordered) // 2] * 1e3, 1),
        "late_p99_ms": round(ordered[len(ordered) * 99 // 100] * 1e3, 1),
        "late_max_ms": round(ordered[-1] * 1e3, 1),
    }


def medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of each figure, but of those that were early the sum."""
    found = {name: round(median(each[name] for each in rounds), 1) for name in rounds[0]}
    return {**found, "early": sum(each["early"] for each in rounds)}
