"""A closed loop: so many clients, each starts its next workflow when its last has ended."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

_T = TypeVar("_T")
One = Callable[[int], Awaitable[None]]
"""Runs the nth workflow to its end, and checks its result."""

_ROUND_S = 4.0
_WARM_UP_S = 1.5
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Round:
    """What one run of a loop took."""

    latencies_s: list[float]
    wall_s: float
    cpu_s: float
    others_cores: float
    """Cores that other processes of the machine used meanwhile: 0 on a quiet one."""

    @property
    def per_s(self) -> float:
        return len(self.latencies_s) / self.wall_s

    @property
    def cpu_ms_each(self) -> float:
        return self.cpu_s * 1e3 / len(self.latencies_s)

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(self.latencies_s)
        return ordered[round(share * (len(ordered) - 1))] * 1e3


async def warmed(one: One, concurrency: int) -> None:
    """Let everything have been used once before it counts.

    In a process that waits for thousands of results cycles are looked for seldom, as in those of the command line.
    """
    gc.set_threshold(100_000, 50, 50)
    await closed_loop(one, concurrency, _WARM_UP_S)


async def open_loop(one: One, per_s: float, seconds: float = _ROUND_S) -> Round:
    """Start workflows at random times, so many a second on average, whether or not the others have ended."""
    latencies: list[float] = []
    running: list[asyncio.Task[None]] = []
    begun, cpu, busy = time.perf_counter(), cpu_of(os.getpid()), machine_busy_s()

    async def client(number: int) -> None:
        now = time.perf_counter()
        await one(number)
        latencies.append(time.perf_counter() - now)

    due, number = begun, 0
    while (due := due + random.expovariate(per_s)) < begun + seconds:
        await asyncio.sleep(due - time.perf_counter())
        running.append(asyncio.create_task(client(number)))
        number += 1
    await asyncio.gather(*running)
    wall, used = time.perf_counter() - begun, cpu_of(os.getpid()) - cpu
    return Round(latencies, wall, used, max(machine_busy_s() - busy - used, 0) / wall)


async def closed_loop(one: One, concurrency: int, seconds: float = _ROUND_S) -> Round:
    """Run workflows for a while, one a client at least; those that are under way when the time is over still count."""
    latencies: list[float] = []
    numbers = iter(range(1 << 62))
    begun, cpu, busy = time.perf_counter(), cpu_of(os.getpid()), machine_busy_s()

    async def client() -> None:
        over = False
        while not over:
            now = time.perf_counter()
            await one(next(numbers))
            latencies.append(time.perf_counter() - now)
            over = time.perf_counter() - begun >= seconds

    await asyncio.gather(*(client() for _ in range(concurrency)))
    wall, used = time.perf_counter() - begun, cpu_of(os.getpid()) - cpu
    return Round(latencies, wall, used, max(machine_busy_s() - busy - used, 0) / wall)


def figure_of(rounds: list[Round], steps: int) -> dict[str, int | float]:
    """The medians of several rounds."""
    per_s = median(each.per_s for each in rounds)
    return {
        "steps": steps,
        "steps_per_s": round(per_s * steps, 1),
        "wf_per_s": round(per_s, 1),
        "p50_ms": round(median(each.percentile_ms(0.50) for each in rounds), 3),
        "p99_ms": round(median(each.percentile_ms(0.99) for each in rounds), 3),
        "cpu_ms_per_wf": round(median(each.cpu_ms_each for each in rounds), 3),
        "others_cores": round(median(each.others_cores for each in rounds), 2),
    }


def arguments() -> argparse.Namespace:
    """What a peer's process is told."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--concurrency", type=int, nargs="+", required=True)
    parser.add_argument("--recover", type=int, nargs=2, metavar=("IN_FLIGHT", "KILL_AFTER"))
    parser.add_argument("--timers", type=int, metavar="COUNT")
    parser.add_argument("--case", default="engine")
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--store", default="")
    parser.add_argument("--embedded", action="store_true")
    return parser.parse_args()


def run_quick(work: Coroutine[None, None, _T]) -> _T:
    """Run on the loop that the command line's processes run on."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def cpu_of(pid: int) -> float:
    """CPU seconds of a process, its children and those that it has waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS + sum(map(cpu_of, children_of(pid)))


def children_of(pid: int) -> list[int]:
    """The processes that a process has started and that still are."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(kid) for each in threads for kid in (each / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def machine_busy_s() -> float:
    """CPU seconds that the whole machine has worked."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / _TICKS
