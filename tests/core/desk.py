"""A router to try by hand: executions that owe, workers that poll, and who got what."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence, Sized
from dataclasses import dataclass, field, replace

from cerebelum_core.leases import Lease
from cerebelum_core.offers import Kind, Pool
from cerebelum_core.router import TaskRouter
from cerebelum_engine import Blueprint, DispatchTask, Handout, TimeOutTask, new
from tests.core.hands import HandClock
from tests.engine.play import blueprint

SHAPE = blueprint(["a"])
OTHER = blueprint(["b"])
POOL, OTHER_POOL = Pool(blueprint_hash=SHAPE.hash), Pool(blueprint_hash=OTHER.hash)


def stopping(task_id: str) -> DispatchTask:
    return replace(task(task_id), handout=Handout.STOP)


@dataclass
class Desk:
    """A router, and what it says of losses and limits."""

    lost: list[str] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.router = TaskRouter(self._note, self._note_limit, HandClock())

    def _note(self, lease: Lease, reason: str) -> None:
        self.lost.append(lease.task_id)

    def _note_limit(self, execution_id: str, command: TimeOutTask) -> None:
        self.limits.append(f"{command.task_id} {command.limit.value}")

    def opened(self) -> Desk:
        """After the gate has opened."""
        for kind in Kind:
            self.router.open_gate(kind)
        return self

    def owe(self, execution_id: str, *tasks: DispatchTask, shape: Blueprint = SHAPE, read: bool = False) -> None:
        """An execution owes these tasks, and no others."""
        state = replace(new(shape), execution_id=execution_id)
        (self.router.recover if read else self.router.sync)(state, tasks)

    def poll(
        self, worker_id: str, pools: Sequence[Pool] = (POOL,), timeout_s: float = 30
    ) -> asyncio.Task[Lease | None]:
        return asyncio.ensure_future(self.router.poll(worker_id, pools, timeout_s, lease_s=30))

    @property
    def remembers(self) -> int:
        """How much it holds in memory."""
        router = self.router
        kept: list[Sized] = [router._owed, router._offers, router._queues._by_pool, router._queues._limited]
        kept += [router._takers._by_pool, router._takers._by_worker, router._claims._early, router._claims._held_back]
        return sum(map(len, kept)) + len(router.leases)


def task(task_id: str, last_worker_id: str = "") -> DispatchTask:
    return DispatchTask(task_id=task_id, step="a", last_worker_id=last_worker_id)


async def turn() -> None:
    await asyncio.sleep(0.001)


async def taken(*polls: asyncio.Task[Lease | None]) -> list[str | None]:
    """What each poll got by now; `-` when it still waits."""
    await turn()
    return [(lease.task_id if (lease := poll.result()) else None) if poll.done() else "-" for poll in polls]
