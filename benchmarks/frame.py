"""A case yields figures; the frame prints the settings and then each figure as one JSON line, and knows no more.

A new case is a module with a `figures(settings)` and a line in `CASES`.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

PROJECT = Path(__file__).parents[1]
CACHE = PROJECT / ".cache" / "benchmarks"

CASES = {
    "calls": "benchmarks.calls.case",
    "codec": "benchmarks.codec.case",
    "engine": "benchmarks.engine.case",
    "growth": "benchmarks.growth.growth",
    "pollers": "benchmarks.growth.pollers",
    "profile": "benchmarks.profile.case",
    "recovery": "benchmarks.recovery.case",
    "sleepers": "benchmarks.growth.sleepers",
    "timers": "benchmarks.growth.timers",
}
"""What can be measured, and the module that does."""

Figure = Mapping[str, str | int | float | None]


@dataclass(frozen=True)
class Settings:
    """How thoroughly to measure, and what to leave out."""

    rounds: int = 9
    """Every figure is the median of so many rounds."""
    round_ms: int = 40
    only: tuple[str, ...] = ()
    """Peers to measure; all when empty."""
    store: str = ""
    """Where a Core keeps things; a SQLite file of its own when empty."""
    concurrency: tuple[int, ...] = (1, 100, 1_000)
    """How many workflows are in flight."""
    embedded: bool = False
    """The Core and the worker in one process."""
    count: int = 100_000
    """How many executions are stored, or sleep."""
    peers: tuple[str, ...] = ()
    """Engines to measure in the same run: compiled, restate, dbos."""


def run(name: str, settings: Settings) -> None:
    """Measure one case and print what it finds."""
    _print({"settings": {"case": name, **asdict(settings), **machine()}})
    case = importlib.import_module(CASES[name])
    figures: Iterator[Figure] = case.figures(settings)
    for figure in figures:
        _print({"case": name, **figure})


def medians(rounds: Sequence[Sequence[Figure]]) -> Iterator[Figure]:
    """Of the same figures, measured once in each round: the median of each number that is not always the same."""
    for same in zip(*rounds, strict=True):
        yield {name: _median([figure[name] for figure in same]) for name in same[0]}


def _median(values: Sequence[str | int | float | None]) -> str | int | float | None:
    numbers = [value for value in values if isinstance(value, int | float)]
    if len(numbers) < len(values) or len(set(numbers)) == 1:
        return values[0]
    return round(median(numbers), 3)


def machine() -> Figure:
    """Where the figures are from: they compare within one run, and hardly beyond it."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }


def sources_of(*folders: str) -> str:
    """A digest of the modules below folders of this project."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted((PROJECT / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _print(line: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
