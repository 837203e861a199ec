"""Every part of a step on its own, on the real objects, a hundred executions a frame."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.profile.scene import BATCH, Scene
from cerebelum_core.clock import SystemClock
from cerebelum_core.execution import head_of
from cerebelum_core.store import Append, EventStore, open_store, rows
from cerebelum_engine import build_task, carry_out, owed_by, read_result
from cerebelum_proto.stream.v1.stream_pb import WorkRequest, WorkResponse

Part = tuple[str, str, float]
"""Where, what, and the microseconds that it takes for a step."""


async def parts(rounds: int) -> list[Part]:
    """Those of a Core and of a worker, in the order in which a step comes by."""
    scene = Scene()
    found: list[Part] = []

    def measure(where: str, part: str, work: Callable[[], object]) -> None:
        found.append((where, part, median(_took_us(work) for _ in range(rounds))))

    measure("core", "decode: a frame of results", lambda: WorkRequest.from_bytes(scene.results_frame))
    measure("core", "read: each result as a command", lambda: [read_result(result) for result in scene.results])
    measure("core", "decide and evolve", lambda: [carry_out(s, c, scene.now) for s, c in scene.decisions])
    measure("core", "what is owed", lambda: [owed_by(state) for state in scene.after])
    measure("core", "the row of each execution", lambda: [head_of(s, o) for s, o in scene.owing])
    measure("core", "rows: encode each event", lambda: [_rows(append) for append in scene.appends])
    measure("core", "route: match tasks with a worker", scene.route)
    measure("core", "build: each task", lambda: [build_task(s, t) for s, t in scene.dispatches])
    measure("core", "encode: a frame of tasks", lambda: WorkResponse(tasks=scene.tasks).to_bytes())
    measure("worker", "decode: a frame of tasks", lambda: WorkResponse.from_bytes(scene.tasks_frame))
    measure("worker", "run: each step", scene.run_steps)
    measure("worker", "encode: a frame of results", lambda: WorkRequest(results=scene.results).to_bytes())
    return found


async def waits(rounds: int) -> list[Part]:
    """How long an append waits for the disk, when nothing else uses it."""
    scene = Scene()
    return [
        ("disk", f"append and commit: {BATCH} at once", await _commit_us(scene, rounds, BATCH)),
        ("disk", "append and commit: one alone", await _commit_us(scene, rounds, 1)),
    ]


def _took_us(work: Callable[[], object]) -> float:
    """CPU, which others on the machine do not stretch as much as they do time."""
    begun = time.thread_time()
    work()
    return (time.thread_time() - begun) * 1e6 / BATCH


def _rows(append: Append) -> object:
    return rows.cells_of(append)


async def _commit_us(scene: Scene, rounds: int, at_once: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{Path(folder)}/parts.db", node_id="profile", clock=SystemClock(), apart=True)
        try:
            await store.remove_worker("")  # now the writer is there
            return median([await _append_us(store, scene.starts()[:at_once]) for _ in range(rounds)])
        finally:
            await store.close()


async def _append_us(store: EventStore, appends: list[Append]) -> float:
    begun = time.perf_counter()
    await asyncio.gather(*(asyncio.ensure_future(store.append(append)) for append in appends))
    return (time.perf_counter() - begun) * 1e6 / len(appends)
