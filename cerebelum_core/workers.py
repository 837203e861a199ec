"""WorkerRegistry: who polls here, what each can run, and when it was last heard of. Durable."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from cerebelum_core.clock import Clock
from cerebelum_core.offers import Kind, Pool
from cerebelum_core.store import EventStore, WorkerRecord
from cerebelum_engine import DEFAULT_QUEUE
from cerebelum_proto.worker.worker_service_pb import RegisterRequest


@dataclass(slots=True)
class Worker:
    """A worker as it registered."""

    registration: RegisterRequest
    pools: tuple[Pool, ...]
    seen_at: float
    """By the loop's clock."""

    @property
    def foreign(self) -> bool:
        """Whether it speaks the deployed contract only."""
        return not self.registration.features

    @property
    def queues(self) -> tuple[str, ...]:
        """Those that it serves."""
        return queues_of(self.registration)


class WorkerRegistry:
    """Every worker that has registered and not been silent for too long."""

    def __init__(self, store: EventStore, clock: Clock, node_id: str) -> None:
        self._store = store
        self._clock = clock
        self._node_id = node_id
        self._workers: dict[str, Worker] = {}
        self._silent: dict[str, Worker] = {}
        """Those of our contract that an earlier Core knew and this one has not heard of."""
        self._gone: list[Worker] = []
        """Those whose process has ended since an earlier Core knew them."""

    async def load(self) -> dict[Kind, list[str]]:
        """Read the workers of the last run; their ids. Those that died with its process are forgotten."""
        for record in await self._store.workers():
            worker = _worker(RegisterRequest.from_bytes(record.registration))
            node_id = worker.registration.node_id
            if node_id and node_id == self._store.ended_node:
                self._gone.append(worker)
                await self._store.remove_worker(record.worker_id)
                continue
            self._workers[record.worker_id] = worker
            if not worker.foreign:
                self._silent[record.worker_id] = worker
        loaded: dict[Kind, list[str]] = {kind: [] for kind in Kind}
        for worker_id, worker in self._workers.items():
            loaded[Kind.FOREIGN if worker.foreign else Kind.OURS].append(worker_id)
        return loaded

    async def register(self, registration: RegisterRequest, *, here: bool = False) -> Worker:
        """Note a worker, or what a known one says now. `here`: it is in this very process."""
        kept = RegisterRequest.from_bytes(registration.to_bytes())
        kept.held_task_ids, kept.node_id = [], self._node_id if here else ""
        known = self._workers.get(kept.worker_id)
        if known is None or known.registration != kept:
            await self._store.put_worker(
                WorkerRecord(worker_id=kept.worker_id, registration=kept.to_bytes(), seen_at=self._clock.now())
            )
        # Only now: what is in memory counts as durable when it registers again.
        worker = self._workers[kept.worker_id] = _worker(kept)
        before = self._silent.pop(kept.worker_id, None)
        if before is not None and "" != before.registration.incarnation != kept.incarnation != "":
            self._gone.append(before)
        return worker

    def take_gone(self) -> list[Worker]:
        """Those of our contract that died with an earlier Core or since, as far as can be known now; each of them once.
        Whatever they had in hand is lost.
        """
        gone = [*self._gone, *self._silent.values()]
        self._gone.clear()
        self._silent.clear()
        return gone

    def is_same(self, registration: RegisterRequest) -> bool:
        """Whether this is the very process that registered under its id before."""
        known = self._workers.get(registration.worker_id)
        return known is not None and known.registration.incarnation == registration.incarnation != ""

    def is_current(self, worker: Worker) -> bool:
        """Whether nothing has registered under its id since."""
        return self._workers.get(worker.registration.worker_id) is worker

    async def forget(self, worker_id: str) -> None:
        """A worker took leave, or fell silent."""
        if worker_id in self._workers:
            await self._store.remove_worker(worker_id)
            self._workers.pop(worker_id, None)
            self._silent.pop(worker_id, None)

    def seen(self, worker_id: str) -> Worker | None:
        """A worker gave a sign of life. None when it is not known."""
        worker = self._workers.get(worker_id)
        if worker is not None:
            worker.seen_at = _now()
            if self._silent:
                self._silent.pop(worker_id, None)
        return worker

    def able(self, pool: Pool) -> list[str]:
        """Those who can run what is in a pool."""
        return [worker_id for worker_id, worker in self._workers.items() if pool in worker.pools]

    def serving(self, queue: str) -> list[str]:
        """Those who serve a queue."""
        return self.by_queue().get(queue, [])

    def by_queue(self) -> dict[str, list[str]]:
        """Every queue that is served, and by whom."""
        found: dict[str, list[str]] = {}
        for worker_id, worker in self._workers.items():
            for queue in worker.queues:
                found.setdefault(queue, []).append(worker_id)
        return found

    def queues_with(self, pool: Pool) -> dict[str, list[str]]:
        """The queues in which what is in a pool could be run, and by whom in each."""
        found: dict[str, list[str]] = {}
        for worker_id, worker in self._workers.items():
            for each in worker.pools:
                if each._replace(queue=pool.queue) == pool:
                    found.setdefault(each.queue, []).append(worker_id)
        return found

    def with_workflow(self, workflow: str) -> list[str]:
        """Those who have some version of a workflow."""
        return [
            worker_id
            for worker_id, worker in self._workers.items()
            if any(each.workflow_module == workflow for each in worker.registration.workflows)
        ]

    def silent_for(self, ours_s: float, foreign_s: float) -> list[str]:
        """Workers that have not been heard of for longer than their kind may be silent."""
        return [
            worker_id
            for worker_id, worker in self._workers.items()
            if _now() - worker.seen_at > (foreign_s if worker.foreign else ours_s)
        ]


def _worker(registration: RegisterRequest) -> Worker:
    return Worker(registration, pools_of(registration), _now())


def pools_of(registration: RegisterRequest) -> tuple[Pool, ...]:
    """What a worker can run, in each queue that it serves: blueprints by hash, or for a foreign one steps by name."""
    queues = queues_of(registration)
    if registration.features:
        return tuple(Pool(each.workflow_hash, "", queue) for each in registration.workflows for queue in queues)
    return tuple(Pool("", name, queue) for name in registration.capabilities for queue in queues)


def queues_of(registration: RegisterRequest) -> tuple[str, ...]:
    """The queues that a worker serves: a foreign one, or one that names none, the default one."""
    named = dict.fromkeys(registration.queues) if registration.features else {}
    return tuple(named) or (DEFAULT_QUEUE,)


def _now() -> float:
    return asyncio.get_running_loop().time()
