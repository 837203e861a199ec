"""How late timers fire: a thousand due at one instant, seen by the step that slept; and very many due in one second,
seen by what the Core recorded, while other workflows run beside them.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.engine import ours
from benchmarks.engine.loops import Round, closed_loop, run_quick
from benchmarks.frame import Figure, Settings
from benchmarks.growth.copies import fill, id_of, opened, write_template
from benchmarks.growth.workflows import napper
from cerebelum import DistributedExecutor, Worker
from cerebelum.embedded import embedded_core
from cerebelum_client import CerebelumClient
from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.store import EventStore
from cerebelum_proto.events.v1.events_pb import SleepEnded
from cerebelum_proto.worker.worker_service_pb import ExecutionState, ListExecutionsRequest

_AT_ONCE = 1_000
_HEAD_START_S = 6.0
_BESIDE = 10
"""Workflows that run beside the timers."""


def figures(settings: Settings) -> Iterator[Figure]:
    """Two figures."""
    yield run_quick(_at_once(settings))
    yield run_quick(_in_one_second(settings))


async def _at_once(settings: Settings) -> Figure:
    with tempfile.TemporaryDirectory(prefix="cerebelum-benchmark-") as folder:
        async with embedded_core(settings.store or f"sqlite:///{folder}/core.db") as core:
            worker = Worker(core, workflows=[napper], concurrency=_AT_ONCE)
            ready = asyncio.Event()
            working = asyncio.create_task(worker.run(ready.set))
            await ready.wait()
            executor = DistributedExecutor(core)
            due_s = time.time() + _HEAD_START_S
            async with executor.stream() as stream:
                results = await asyncio.gather(*(stream.execute(napper, due_s) for _ in range(_AT_ONCE)))
            worker.stop()
            await working
    late_s = [float(str(result.output)) for result in results]
    return {"timers": _AT_ONCE, "due_within_s": 0, "seen_by": "the step", **_lateness(late_s)}


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
        async with ours.remote(url, _BESIDE) as stack:
            quiet = await closed_loop(stack.stream_five, _BESIDE, 3.0)
            await asyncio.sleep(max(due_ns / 1e9 - time.time(), 0))
            busy = await closed_loop(stack.stream_five, _BESIDE, 5.0)
            async with CerebelumClient(stack.address) as client:
                await _all_awake(client)
        async with opened(url) as store:
            late_s = await _recorded(store, settings.count, due_ns)
    return {
        "timers": settings.count,
        "due_within_s": 1,
        "seen_by": "the log",
        **_lateness(late_s),
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


def _lateness(late_s: Sequence[float]) -> Figure:
    ordered = sorted(late_s)
    return {
        "early": sum(each < 0 for each in ordered),
        "late_p50_ms": round(ordered[len(ordered) // 2] * 1e3, 1),
        "late_p99_ms": round(ordered[len(ordered) * 99 // 100] * 1e3, 1),
        "late_max_ms": round(ordered[-1] * 1e3, 1),
    }


def _beside(when: str, running: Round) -> Figure:
    return {
        f"{when}_wf_per_s": round(running.per_s, 1),
        f"{when}_p99_ms": round(running.percentile_ms(0.99), 1),
    }
