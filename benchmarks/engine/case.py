"""Steps a second and the latency of a workflow, at several numbers of workflows in flight."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from benchmarks.engine import ours
from benchmarks.engine.loops import Round, closed_loop, figure_of, open_loop, run_quick, warmed
from benchmarks.engine.peers import PEERS, figures_of, prepare
from benchmarks.frame import Figure, Settings, medians

_STEPS = 5

Open = Callable[[str, int], AbstractAsyncContextManager[ours.Stack]]


def figures(settings: Settings) -> Iterator[Figure]:
    """One figure for each way to start workflows and each number in flight.

    The engines take turns, round by round: what changes the speed of the machine meanwhile is everybody's.
    """
    prepare(PEERS, settings)
    for concurrency in settings.concurrency:
        turn = replace(settings, rounds=1, concurrency=(concurrency,))
        rounds = [[*our_figures(turn), *figures_of(PEERS, turn)] for _ in range(settings.rounds)]
        yield from medians(rounds)


def our_figures(settings: Settings) -> Iterator[Figure]:
    """Those of this project, as it is installed here."""
    where: Open = ours.embedded if settings.embedded else ours.remote
    peer = "cerebelum, embedded" if settings.embedded else "cerebelum"
    for concurrency in settings.concurrency:
        for figure in run_quick(_measured(where, settings, concurrency)):
            yield {"peer": peer, "connections": 0 if settings.embedded else ours.CONNECTIONS, **figure}


async def _measured(where: Open, settings: Settings, concurrency: int) -> list[Figure]:
    found: list[Figure] = []

    async def measure(starts: str, run: Callable[[], Awaitable[Round]], steps: int = _STEPS) -> float:
        figure = figure_of([await run() for _ in range(settings.rounds)], steps)
        how: Figure = {
            "starts": starts,
            "store": settings.store.partition(":")[0] or "sqlite",
            "concurrency": concurrency,
        }
        found.append({**how, **figure})
        return figure["wf_per_s"]

    async with where(settings.store, max(concurrency, 10)) as stack:
        await warmed(stack.stream_five, concurrency)
        await measure("each its own call", lambda: closed_loop(stack.call_five, concurrency))
        if concurrency == 1:
            await measure("each its own call", lambda: closed_loop(stack.call_one, 1), 1)
            return found
        per_s = await measure("batched on a stream", lambda: closed_loop(stack.stream_five, concurrency))
        await measure("batched, steps of 0 to 10 ms", lambda: closed_loop(stack.stream_slow_five, concurrency))
        await measure("batched, 1 KB payloads", lambda: closed_loop(stack.stream_large_five, concurrency))
        await measure("batched, at random times, half the rate", lambda: open_loop(stack.stream_five, per_s / 2))
    return found
