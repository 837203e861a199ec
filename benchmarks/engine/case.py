"""Steps a second and the latency of a workflow, at several numbers of workflows in flight."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from statistics import median

from benchmarks.engine import ours
from benchmarks.engine.loops import One, Round, closed_loop, run_quick
from benchmarks.frame import Figure, Settings

_SECONDS = 4.0
_WARM_UP_S = 1.5
_STEPS = 5

Open = Callable[[str, int], AbstractAsyncContextManager[ours.Stack]]


def figures(settings: Settings) -> Iterator[Figure]:
    """One figure for each way to start workflows and each number in flight."""
    where: Open = ours.embedded if settings.embedded else ours.remote
    peer = "cerebelum, embedded" if settings.embedded else "cerebelum"
    for concurrency in settings.concurrency:
        for figure in run_quick(_measured(where, settings, concurrency)):
            yield {"peer": peer, **figure}


async def _measured(where: Open, settings: Settings, concurrency: int) -> list[Figure]:
    found: list[Figure] = []
    async with where(settings.store, max(concurrency, 10)) as stack:
        await closed_loop(stack.stream_five, concurrency, _WARM_UP_S)
        ways: list[tuple[str, One, int]] = [
            ("each its own call", stack.call_five, _STEPS),
            ("batched on a stream", stack.stream_five, _STEPS),
        ]
        if concurrency == 1:
            ways = [ways[0], ("each its own call", stack.call_one, 1)]
        for starts, one, steps in ways:
            rounds = [await closed_loop(one, concurrency, _SECONDS) for _ in range(settings.rounds)]
            found.append(
                figure_of(rounds, steps)
                | {"starts": starts, "store": settings.store or "sqlite", "concurrency": concurrency}
            )
    return found


def figure_of(rounds: list[Round], steps: int) -> Figure:
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
