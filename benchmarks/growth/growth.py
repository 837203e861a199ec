"""What a step costs beside few and many stored executions, in a short and a long history, and among many lanes."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median

from benchmarks.engine import ours
from benchmarks.engine.loops import Round, closed_loop, run_quick
from benchmarks.engine.workflows import five
from benchmarks.frame import Figure, Settings
from benchmarks.growth.copies import fill, opened, write_template
from benchmarks.growth.workflows import group_of, noting_row_of, row_of
from cerebelum import DistributedExecutor, Worker, Workflow
from cerebelum.embedded import embedded_core
from cerebelum_core.blueprints import BlueprintRegistry
from cerebelum_core.clock import SystemClock
from cerebelum_core.reconstructor import StateReconstructor
from cerebelum_core.store import Append
from cerebelum_engine import evolve
from cerebelum_proto.events.v1.events_pb import AttemptLost, Event

_FEW = 100
_IN_FLIGHT = 100
_SECONDS = 3.0
_GROUPS = (10, 100, 1_000)
_HISTORIES = (10, 250, 1_000, 10_000)
_SPANS = ((10, 100), (100, 1_000), (1_000, 10_000))
_SHORT = 10
"""Executions that end with the first span, so that it is not of one alone."""


def figures(settings: Settings) -> Iterator[Figure]:
    """Stored executions, steps behind a step, steps at once, and events to fold."""
    yield from run_quick(_beside_stored(settings))
    yield from run_quick(_along_history(settings))
    for steps in _GROUPS:
        yield {"what": "steps of one group", **run_quick(_alone(settings, group_of(steps), steps))}
    for events in _HISTORIES:
        yield run_quick(_folded(settings, events))


async def _beside_stored(settings: Settings) -> list[Figure]:
    """Workflows of five steps on a store with few executions and on one with many, in turns; ratios are of one turn."""
    numbers = (_FEW, settings.count)
    rounds: dict[int, list[Round]] = {number: [] for number in numbers}
    with tempfile.TemporaryDirectory(prefix="cerebelum-benchmark-") as folder:
        urls = {number: f"sqlite:///{folder}/{number}.db" for number in numbers}
        for number, url in urls.items():
            template = await write_template(url, five, 0, "completed")
            async with opened(url) as store:
                await fill(store, template, range(number))
        async with AsyncExitStack() as stacks:
            running = {
                number: await stacks.enter_async_context(ours.remote(url, _IN_FLIGHT)) for number, url in urls.items()
            }
            for stack in running.values():
                await closed_loop(stack.stream_five, _IN_FLIGHT, 1.5)
            for _ in range(settings.rounds):
                for number, stack in running.items():
                    rounds[number].append(await closed_loop(stack.stream_five, _IN_FLIGHT, _SECONDS))
    return [
        {
            "what": "stored executions",
            "stored": number,
            "concurrency": _IN_FLIGHT,
            "steps_per_s": round(median(each.per_s for each in found) * 5, 1),
            "cpu_us_per_step": round(median(each.cpu_ms_each for each in found) * 200, 1),
            "ratio": round(median(a.cpu_ms_each / b.cpu_ms_each for a, b in zip(found, rounds[_FEW], strict=True)), 3),
        }
        for number, found in rounds.items()
    ]


async def _along_history(settings: Settings) -> list[Figure]:
    """What a step costs with ever more steps behind it, in one execution of many; ratios are of the same round."""
    noted: list[int] = []
    longest = _SPANS[-1][1]
    workflow = noting_row_of(longest, noted)
    rounds: list[list[float]] = []
    with tempfile.TemporaryDirectory(prefix="cerebelum-benchmark-") as folder:
        async with _worked(settings.store or f"sqlite:///{folder}/core.db", workflow) as executor:

            async def run(steps: int) -> list[float]:
                noted.clear()
                await executor.execute(workflow, steps)
                return [(noted[to - 1] - noted[start - 1]) / (to - start) / 1e3 for start, to in _SPANS if to <= steps]

            await run(_SPANS[0][1])
            for _ in range(settings.rounds):
                short = [(await run(_SPANS[0][1]))[0] for _ in range(_SHORT // 2)]
                first, *others = await run(longest)
                short += [(await run(_SPANS[0][1]))[0] for _ in range(_SHORT // 2)]
                rounds.append([median([first, *short]), *others])
    return [
        {
            "what": "steps behind a step",
            "from": start,
            "to": to,
            "cpu_us_per_step": round(median(each[at] for each in rounds), 1),
            "ratio": round(median(each[at] / each[0] for each in rounds), 3),
        }
        for at, (start, to) in enumerate(_SPANS)
    ]


@asynccontextmanager
async def _worked(url: str, workflow: Workflow) -> AsyncIterator[DistributedExecutor]:
    """A Core in this process, and a worker that takes one task at a time."""
    async with embedded_core(url) as core:
        worker = Worker(core, workflows=[workflow], concurrency=1)
        ready = asyncio.Event()
        working = asyncio.create_task(worker.run(ready.set))
        await ready.wait()
        yield DistributedExecutor(core)
        worker.stop()
        await working


async def _alone(settings: Settings, workflow: Workflow, steps: int) -> Figure:
    """One execution of so many steps, on a worker that takes one at a time."""
    with tempfile.TemporaryDirectory(prefix="cerebelum-benchmark-") as folder:
        async with _worked(settings.store or f"sqlite:///{folder}/core.db", workflow) as executor:
            cpu, begun = time.process_time(), time.perf_counter()
            await executor.execute(workflow, 0)
            cpu, wall = time.process_time() - cpu, time.perf_counter() - begun
    return {
        "steps": steps,
        "cpu_us_per_step": round(cpu / steps * 1e6, 1),
        "ms_per_step": round(wall / steps * 1e3, 3),
    }


async def _folded(settings: Settings, events: int) -> Figure:
    """How long an execution takes to come back into memory."""
    with tempfile.TemporaryDirectory(prefix="cerebelum-benchmark-") as folder:
        url = settings.store or f"sqlite:///{Path(folder)}/core.db"
        template = await write_template(url, row_of(2), 0, "completed")
        async with opened(url) as store:
            begun = template.copy("long", None)
            await store.append(
                Append(execution_id="long", expected_version=0, events=begun.events[:1], head=begun.head)
            )
            reconstructor = StateReconstructor(store, BlueprintRegistry(store, SystemClock()))
            state = await reconstructor.read("long")
            while state is not None and state.version < events:
                lost = Event(
                    execution_id="long",
                    version=state.version + 1,
                    recorded_at=SystemClock().now(),
                    fact=AttemptLost(step="step0"),
                )
                await store.append(
                    Append(execution_id="long", expected_version=state.version, events=[lost], head=begun.head)
                )
                state = evolve(state, lost)
                reconstructor.grown(state)
                await reconstructor.settle()
            times_s = []
            for _ in range(settings.rounds):
                cpu = time.process_time()
                await reconstructor.read("long")
                times_s.append(time.process_time() - cpu)
    return {"what": "events of one execution", "events": events, "cpu_ms_to_load": round(median(times_s) * 1e3, 2)}
