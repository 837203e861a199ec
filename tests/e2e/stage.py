"""A Core and a worker as real processes, and the ways in which tests wait for them: for facts, never for time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cerebelum import DistributedExecutor, ExecutionHandle
from cerebelum_cli.processes import CoreProcess, Process, worker_process
from cerebelum_client import CerebelumClient
from cerebelum_proto.events.v1 import events_pb as ev

LONGEST_S = 40.0
"""A bound on every wait, not an expectation."""


@dataclass(kw_only=True)
class Stage:
    """The folder, the Core, the workers and a client of one test."""

    folder: Path
    core: CoreProcess
    workers: list[Process] = field(default_factory=list)

    async def start_worker(
        self, address: str = "", module: str = "tests.e2e.flows", *, queues: Sequence[str] = ()
    ) -> Process:
        number = len(self.workers)
        worker = worker_process(
            self.folder,
            address or self.core.address,
            module,
            name=f"worker-{number}",
            queues=queues,
            environment={"E2E_NOTES": str(self.folder / "notes"), "E2E_GATE": str(self.folder / "gate")},
        )
        self.workers.append(worker)
        await worker.start()
        return worker

    def client(self) -> CerebelumClient:
        return CerebelumClient(self.core.address)

    def notes(self) -> list[str]:
        """The words that step bodies noted, in order."""
        return [line.split()[0] for line in self._lines()]

    def pids(self, word: str) -> list[int]:
        """In which processes the bodies noted a word."""
        return [int(line.split()[1]) for line in self._lines() if line.startswith(f"{word} ")]

    def _lines(self) -> list[str]:
        path = self.folder / "notes"
        return path.read_text().splitlines() if path.exists() else []

    async def noted(self, word: str, times: int = 1) -> None:
        """Wait until a body has noted a word so often."""
        async with asyncio.timeout(LONGEST_S):
            while self.notes().count(word) < times:
                await asyncio.sleep(0.01)

    def open_gate(self) -> None:
        (self.folder / "gate").touch()


@asynccontextmanager
async def stage(folder: Path, *core_arguments: str, store: str = "") -> AsyncIterator[Stage]:
    """A Core on an empty store, without a worker yet. Ends every process that the test started."""
    core = CoreProcess(folder=folder, arguments=core_arguments, store=store)
    on = Stage(folder=folder, core=core)
    await core.start()
    try:
        yield on
    finally:
        for each in on.workers:
            await each.kill()
        await core.kill()


async def submit(client: CerebelumClient, workflow: str, **inputs: int) -> ExecutionHandle:
    """Start an execution of a workflow that a worker has brought along."""
    return await DistributedExecutor(client).submit(workflow, inputs)


async def until(client: CerebelumClient, execution_id: str, kind: type, times: int = 1) -> list[ev.Event]:
    """Wait until a history holds so many facts of a kind; what it holds."""
    seen: list[ev.Event] = []
    async with asyncio.timeout(LONGEST_S):
        async for event in client.executions.history(execution_id, follow=True):
            seen.append(event)
            if sum(isinstance(each.fact, kind) for each in seen) == times:
                return seen
    raise AssertionError(f"the execution ended without {times} x {kind.__name__}: {[e.fact for e in seen]}")


async def history(client: CerebelumClient, execution_id: str) -> list[ev.Event]:
    """All that happened to an execution; its versions have no gap."""
    events = [event async for event in client.executions.history(execution_id)]
    assert [event.version for event in events] == list(range(1, len(events) + 1))
    return events


def recorded(events: list[ev.Event]) -> Counter[str]:
    """How often each step's result was recorded."""
    return Counter(event.fact.step for event in events if isinstance(event.fact, ev.StepCompleted | ev.StepFailed))
