"""How late timers fire: a thousand due at one instant, seen by the step that slept; and very many due in one second,
seen by what the Core recorded, while workflows of one step are started beside them at a steady rate.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.engine import ours
from benchmarks.engine.loops import Round, open_loop, run_quick
from benchmarks.engine.peers import figures_of, prepare
from benchmarks.frame import Figure, Settings
from benchmarks.growth.copies import fill, id_of, opened, write_template
from benchmarks.growth.lateness import HEAD_START_S, lateness, medians
from benchmarks.growth.workflows import napper
from cerebelum import DistributedExecutor
from cerebelum_client import CerebelumClient
from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.store import EventStore
from cerebelum_proto.events.v1.events_pb import SleepEnded
from cerebelum_proto.worker.worker_service_pb import ExecutionState, ListExecutionsRequest

_AT_ONCE = 1_000
_ROUNDS = 3
_WHEN: Figure = {"timers": _AT_ONCE, "due_within_s": 0, "seen_by": "the step"}
_BESIDE_PER_S = 50
"""Workflows of one step that are started beside the timers, each by its own call."""


def figures(settings: Settings) -> Iterator[Figure]:
    """A thousand at once, for each engine; and very many."""
    prepare(["compiled", "restate"], settings)
    yield from our_figures(settings)
    yield from figures_of(["compiled"], settings, "--case", "timers")
    for figure in figures_of(["restate"], settings, "--timers", str(_AT_ONCE)):
        yield {**_WHEN, **figure}


def our_figures(settings: Settings) -> Iterator[Figure]:
    """Those of this project, as it is installed here."""
    yield run_quick(_at_once(settings))
    yield run_quick(_in_one_second(settings))


async def _at_once(settings: Settings) -> Figure:
    """Each workflow started by its own call, as the others' are; several rounds, and the median of each figure."""
    async with ours.remote(settings.store, _AT_ONCE, "benchmarks.growth.workflows") as stack:
        rounds = [await _one_round(stack.executor) for _ in range(min(settings.rounds, _ROUNDS))]
    return {"peer": "cerebelum", **_WHEN, **medians(rounds)}


async def _one_round(executor: DistributedExecutor) -> Mapping[str, float]:
    due_s = time.time() + HEAD_START_S
    results = await asyncio.gather(*(executor.execute(napper, due_s) for _ in range(_AT_ONCE)))
    return lateness([float(str(result.output)) for result in results])


async def _in_one_second(settings: Settings) -> Figure:
    with tempfile.TemporaryDirectory(prefix="cerebelum-benchmark-") as name:
        url = settings.store or f"sqlite:///{Path(name)}/core.db"
        template = await write_template(url, napper, time.time() + 86_400, "sleeping")
        async with opened(url) as store:
            # So far ahead that all of them are stored before the first is due.
            due_ns = time.time_ns() + int(1e9 * (20 + settings.count / 2_000))
            took_s = await fill(
                store,
                template,
                range(settings.count),
                lambda n: Timestamp.from_ns(due_ns + n * 1_000_000_000 // settings.count),
            )
        async with ours.remote(url, _BESIDE_PER_S) as stack:
            quiet = await open_loop(stack.call_one, _BESIDE_PER_S)
            await asyncio.sleep(max(due_ns / 1e9 - time.time(), 0))
            busy = await open_loop(stack.call_one, _BESIDE_PER_S, 1 + settings.count / 10_000)
            async with CerebelumClient(stack.address) as client:
                await _all_awake(client)
        async with opened(url) as store:
            late_s = await _recorded(store, settings.count, due_ns)
    return {
        "peer": "cerebelum",
        "timers": settings.count,
        "due_within_s": 1,
        "seen_by": "the log",
        **lateness(late_s),
        **_beside("quiet", quiet),
        **_beside("busy", busy),
        "written_per_s": round(settings.count / took_s),
    }


async def _all_awake(core: CerebelumClient) -> None:
    """Wait until only the template sleeps."""
    asleep = ListExecutionsRequest(status=ExecutionState.EXECUTION_SLEEPING, limit=1)
    while (await core.executions.list(asleep)).total_count > 1:
        await asyncio.sleep(0.2)


async def _recorded(store: EventStore, count: int, due_ns: int) -> list[float]:
    """How late each timer was recorded as fired; never early."""
    late_s: list[float] = []
    for first in range(0, count, 500):
        numbers = range(first, min(first + 500, count))
        for number, events in zip(numbers, await asyncio.gather(*(store.read(id_of(n)) for n in numbers)), strict=True):
            fired = next(event.recorded_at for event in events if isinstance(event.fact, SleepEnded))
            if fired is None:
                raise AssertionError("an event has its time")
            late_s.append((fired.to_ns() - due_ns - number * 1_000_000_000 // count) / 1e9)
    return late_s


def _beside(when: str, running: Round) -> Figure:
    return {
        f"beside_{when}_p50_ms": round(running.percentile_ms(0.50), 1),
        f"beside_{when}_p99_ms": round(running.percentile_ms(0.99), 1),
    }
