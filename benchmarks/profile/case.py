"""An account of a step: what each process takes for it altogether, and the parts of that.

The parts are measured by themselves, and so is the Core's loop without the network. What is left of a process beyond
them is the difference: nothing is left out, and the parts of all processes add up to the whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from statistics import median
from typing import NamedTuple

from benchmarks.engine import ours
from benchmarks.engine.loops import children_of, closed_loop, cpu_of, run_quick, warmed
from benchmarks.engine.peers import figures_of, prepare
from benchmarks.engine.workflows import five, one
from benchmarks.frame import Figure, Settings
from benchmarks.profile.loop import loop_us
from benchmarks.profile.parts import Part, parts, waits
from cerebelum import Workflow
from cerebelum_cli.serving import collect_seldom

STEPS = 5
"""Of each workflow."""
_PLAYED = 2_000
"""Workflows that the Core's loop runs by itself in a round."""


def figures(settings: Settings) -> Iterator[Figure]:
    """Microseconds of CPU a step, part by part, and what an append waits for."""
    prepare(["compiled"], settings)
    yield from our_figures(settings)
    yield from figures_of(["compiled"], settings, "--case", "profile")


class Loop(NamedTuple):
    """What a Core's loop takes without the network, in microseconds."""

    step: float
    start_and_end: float
    """Of an execution."""


def our_figures(settings: Settings) -> Iterator[Figure]:
    """Those of this project, as it is installed here."""
    taken = [run_quick(_taken(settings, concurrency)) for concurrency in settings.concurrency]
    collect_seldom()
    measured, waited = run_quick(parts(settings.rounds)), run_quick(waits(settings.rounds))
    for concurrency, processes in zip(settings.concurrency, taken, strict=True):
        played = _played(settings.rounds, concurrency)
        for where, part, took_us in (*account(measured, played, processes), *waited):
            named: Figure = {"peer": "cerebelum", "concurrency": concurrency, "where": where, "part": part}
            yield {**named, "us_per_step": round(took_us, 2)}


def account(measured: Sequence[Part], loop: Loop, processes: dict[str, float]) -> Iterator[Part]:
    """The parts, and after those of each process what it takes beyond them."""
    whole, parts_of_core = loop.step + loop.start_and_end / STEPS, _sum_of("core", measured)
    yield from (part for part in measured if part[0] == "core")
    yield "core", "between them: mailboxes, leases, queues, the way to the writer", loop.step - parts_of_core
    yield "core", f"start and end of an execution, by {STEPS}", loop.start_and_end / STEPS
    yield "core", "HTTP/2, sockets and the event loop", processes["core"] - whole
    yield "writer", "append and commit", processes["writer"]
    yield from (part for part in measured if part[0] == "worker")
    yield "worker", "lanes, HTTP/2, sockets and the event loop", processes["worker"] - _sum_of("worker", measured)
    yield "caller", "starts and ends, HTTP/2, sockets and the event loop", processes["caller"]
    yield "all", "the whole", sum(processes.values())


def _played(rounds: int, in_flight: int) -> Loop:
    """Executions of five steps take what those of one step take, and four steps."""

    def of(workflow: Workflow) -> float:
        return median(run_quick(loop_us(workflow, in_flight, max(_PLAYED, in_flight))) for _ in range(rounds))

    short, long = of(one), of(five)
    step = (long - short) / (STEPS - 1)
    return Loop(step, short - step)


def _sum_of(where: str, measured: Sequence[Part]) -> float:
    return sum(took_us for there, _, took_us in measured if there == where)


async def _taken(settings: Settings, concurrency: int) -> dict[str, float]:
    """What each process takes for a step, batched on a stream; of several rounds, the one with the middle sum."""
    rounds: list[dict[str, float]] = []
    async with ours.remote(settings.store, max(concurrency, 10)) as stack:
        await warmed(stack.stream_five, concurrency)
        for _ in range(settings.rounds):
            before = _cpu_s(stack)
            found = await closed_loop(stack.stream_five, concurrency)
            steps = len(found.latencies_s) * STEPS
            rounds.append({name: (s - before[name]) * 1e6 / steps for name, s in _cpu_s(stack).items()})
    return sorted(rounds, key=lambda each: sum(each.values()))[len(rounds) // 2]


def _cpu_s(stack: ours.Stack) -> dict[str, float]:
    core, worker = cpu_of(stack.core_pid), cpu_of(stack.worker_pid)
    writer = sum(map(cpu_of, children_of(stack.core_pid)))
    return {"core": core - writer, "writer": writer, "worker": worker, "caller": cpu_of(os.getpid()) - core - worker}
