"""Steps a second and the latency of a workflow, at several numbers of workflows in flight."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager

from benchmarks.engine import ours
from benchmarks.engine.loops import One, closed_loop, figure_of, run_quick, warmed
from benchmarks.engine.peers import PEERS
from benchmarks.frame import Figure, Settings

_STEPS = 5

Open = Callable[[str, int], AbstractAsyncContextManager[ours.Stack]]


def figures(settings: Settings) -> Iterator[Figure]:
    """One figure for each way to start workflows and each number in flight."""
    where: Open = ours.embedded if settings.embedded else ours.remote
    peer = "cerebelum, embedded" if settings.embedded else "cerebelum"
    for concurrency in settings.concurrency:
        for figure in run_quick(_measured(where, settings, concurrency)):
            yield {"peer": peer, **figure}
    for name in settings.peers:
        PEERS[name].prepare()
        yield from PEERS[name].figures(settings)


async def _measured(where: Open, settings: Settings, concurrency: int) -> list[Figure]:
    found: list[Figure] = []
    async with where(settings.store, max(concurrency, 10)) as stack:
        await warmed(stack.stream_five, concurrency)
        ways: list[tuple[str, One, int]] = [
            ("each its own call", stack.call_five, _STEPS),
            ("batched on a stream", stack.stream_five, _STEPS),
        ]
        if concurrency == 1:
            ways = [ways[0], ("each its own call", stack.call_one, 1)]
        for starts, one, steps in ways:
            rounds = [await closed_loop(one, concurrency) for _ in range(settings.rounds)]
            found.append(
                figure_of(rounds, steps)
                | {"starts": starts, "store": settings.store or "sqlite", "concurrency": concurrency}
            )
    return found
