"""A thousand workflows in flight, then SIGKILL: for the Core, or for the worker. What is lost, and what runs twice.

The killed process is started again at once. In between, the other one lives.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.engine.loops import run_quick
from benchmarks.engine.peers import figures_of, prepare
from benchmarks.frame import Figure, Settings
from cerebelum import DistributedExecutor, ExecutionResult
from cerebelum_cli.processes import Process
from cerebelum_client import CerebelumClient
from cerebelum_proto.events.v1 import events_pb as ev

_IN_FLIGHT = 1_000
_KILL_AFTER = 2_000
"""Step bodies that have run when the process is killed."""
_LEASE_S = 2.0


def figures(settings: Settings) -> Iterator[Figure]:
    """One figure for each process that is killed, for each engine."""
    prepare(["compiled", "restate"], settings)
    yield from our_figures(settings)
    yield from figures_of(["compiled"], settings, "--case", "recovery")
    yield from figures_of(["restate"], settings, "--recover", str(_IN_FLIGHT), str(_KILL_AFTER))


def our_figures(settings: Settings) -> Iterator[Figure]:
    """Those of this project, as it is installed here: the medians of several rounds."""
    for victim in ("core", "worker"):
        rounds = [run_quick(_round(victim, settings.store)) for _ in range(min(settings.rounds, 3))]
        yield {
            "peer": "cerebelum",
            "killed": victim,
            "in_flight": _IN_FLIGHT,
            "store": settings.store or "sqlite",
            "lease_s": _LEASE_S,
            **{name: round(median(each[name] for each in rounds), 3) for name in rounds[0]},
        }


@dataclass
class Stage:
    """A Core and a worker that notes what it runs."""

    folder: Path
    store: str
    core: Process
    worker: Process
    address: str = "127.0.0.1:0"

    async def start_core(self) -> None:
        self.core.arguments = ("core", "--store", self.store, "--listen", self.address, "--lease", str(_LEASE_S))
        self.address = (await self.core.start()).split("listening on ")[1].split(",")[0]

    async def start_worker(self) -> None:
        module = "benchmarks.recovery.workflows"
        self.worker.arguments = ("worker", module, "--core", self.address, "--concurrency", str(_IN_FLIGHT))
        await self.worker.start()

    def notes(self) -> list[str]:
        path = self.folder / "notes"
        return path.read_text().splitlines() if path.exists() else []

    async def noted(self, count: int) -> None:
        """Wait for so many step bodies."""
        path = self.folder / "notes"
        while not path.exists() or path.stat().st_size < count * 40:
            await asyncio.sleep(0.002)


@asynccontextmanager
async def _stage(store: str) -> AsyncIterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="cerebelum-recovery-") as name:
        folder = Path(name)
        noting = {"RECOVERY_GATE": str(folder / "gate"), "RECOVERY_NOTES": str(folder / "notes")}
        stage = Stage(
            folder,
            store or f"sqlite:///{folder}/core.db",
            Process(arguments=(), log=folder / "core.log", ready_word="listening on"),
            Process(arguments=(), log=folder / "worker.log", ready_word="polling", environment=noting),
        )
        try:
            await stage.start_core()
            await stage.start_worker()
            yield stage
        finally:
            await stage.worker.kill()
            await stage.core.kill()


async def _round(victim: str, store: str) -> dict[str, float]:
    async with _stage(store) as stage, DistributedExecutor(stage.address) as executor, executor.stream() as stream:
        running = [asyncio.create_task(stream.execute("noted", number)) for number in range(_IN_FLIGHT)]
        client = CerebelumClient(stage.address)
        await _all_begun(client)
        (stage.folder / "gate").touch()
        await stage.noted(_KILL_AFTER)
        process = stage.core if victim == "core" else stage.worker
        await process.kill()
        killed, killed_ns = time.perf_counter(), time.time_ns()
        await (stage.start_core() if victim == "core" else stage.start_worker())
        ready_s = time.perf_counter() - killed
        results = await asyncio.gather(*running)
        all_done_s = time.perf_counter() - killed
        histories = [await _history(client, result) for result in results]
        client.close()
        return {"ready_s": ready_s, "all_done_s": all_done_s} | _verdict(stage, results, histories, killed_ns)


async def _all_begun(client: CerebelumClient) -> None:
    while (await client.executions.list()).total_count < _IN_FLIGHT:
        await asyncio.sleep(0.05)


async def _history(client: CerebelumClient, result: ExecutionResult) -> list[ev.Event]:
    return [event async for event in client.executions.history(result.execution_id)]


def _verdict(
    stage: Stage, results: list[ExecutionResult], histories: list[list[ev.Event]], killed_ns: int
) -> dict[str, float]:
    ran = Counter(stage.notes())
    recorded = Counter(
        (event.execution_id, event.fact.step)
        for history in histories
        for event in history
        if isinstance(event.fact, ev.StepCompleted)
    )
    instants = [e.recorded_at.to_ns() for history in histories for e in history if e.recorded_at is not None]
    return {
        "first_progress_s": (min(at for at in instants if at > killed_ns) - killed_ns) / 1e9,
        "lost": sum(result.status != "completed" for result in results),
        "steps_recorded_twice": sum(count > 1 for count in recorded.values()),
        "steps_not_recorded": 5 * len(results) - len(recorded),
        "steps_run_twice": sum(count > 1 for count in ran.values()),
        "attempts_lost": sum(isinstance(e.fact, ev.AttemptLost) for history in histories for e in history),
    }
