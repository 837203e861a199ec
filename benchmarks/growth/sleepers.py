"""What a sleeping execution costs: bytes on disk each, and resident memory of a Core that has them all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.engine.loops import run_quick
from benchmarks.frame import Figure, Settings
from benchmarks.growth.copies import fill, opened, write_template
from benchmarks.growth.memory import rss_kb
from benchmarks.growth.workflows import napper
from cerebelum_cli.processes import Process
from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.clock import SystemClock

_DAY_S = 86_400
_FEWER = (10_000, 100_000, 300_000)
"""On the way to all of them."""


def figures(settings: Settings) -> Iterator[Figure]:
    """A figure for each number of sleepers, on SQLite or on `--store`, whose bytes on disk are not known."""
    yield from run_quick(_measured(settings))


async def _measured(settings: Settings) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="cerebelum-benchmark-") as name:
        folder = Path(name)
        empty_kb = await _resident_kb(folder, f"sqlite:///{folder}/empty.db")
        url = settings.store or f"sqlite:///{folder}/core.db"
        far_s = SystemClock().now().seconds + _DAY_S
        template = await write_template(url, napper, float(far_s), "sleeping")
        before = _bytes_of(folder)
        found: list[Figure] = []
        stored, took_s = 0, 0.0
        for count in [*(few for few in _FEWER if few < settings.count), settings.count]:
            async with opened(url) as store:
                took_s += await fill(store, template, range(stored, count), lambda n: Timestamp(far_s + n % _DAY_S))
            stored = count
            figure: Figure = {
                "store": settings.store.partition(":")[0] or "sqlite",
                "sleepers": count,
                "events_each": len(template.events),
                "event_bytes_each": sum(len(event.to_bytes()) for event in template.events),
                "disk_bytes_each": None if settings.store else round((_bytes_of(folder) - before) / count),
                "core_rss_kb": await _resident_kb(folder, url),
                "idle_core_rss_kb": empty_kb,
                "written_per_s": round(count / took_s),
            }
            found.append(figure)
        return found


async def _resident_kb(folder: Path, url: str) -> int:
    """The memory of a Core on a store, once it answers and has read its timers."""
    core = Process(
        arguments=("core", "--store", url, "--listen", "127.0.0.1:0"), log=folder / "core.log", ready_word="on"
    )
    await core.start()
    try:
        return rss_kb(core.pid)
    finally:
        await core.terminate()


def _bytes_of(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.glob("core.db*"))
