"""From a lease to the task that a worker is handed."""

from __future__ import annotations

from dataclasses import dataclass

from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.clock import Clock
from cerebelum_core.edges.foreign import fill_structs
from cerebelum_core.edges.refusals import refusals
from cerebelum_core.leases import Lease
from cerebelum_core.registry import Registry
from cerebelum_core.router import TaskRouter
from cerebelum_core.workers import Worker
from cerebelum_engine import OFFER, Handout, State, build_task
from cerebelum_proto.worker.worker_service_pb import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Handouts:
    """Makes tasks from what executions owe."""

    registry: Registry
    router: TaskRouter
    clock: Clock

    async def task(self, lease: Lease, worker: Worker) -> Task | None:
        """What the worker is handed; None when the task has moved on meanwhile."""
        state = self.registry.live_state(lease.execution_id)
        if state is None:
            state = await self._read(lease)
            self.router.leases.renew([lease])  # the worker has it for as long as it is told, from now on
        return self.made(state, lease, worker, self.clock.now())

    def made(self, state: State, lease: Lease, worker: Worker, now: Timestamp) -> Task | None:
        """The same in a known state."""
        if self.router.leases.get(lease.task_id) is not lease:
            return None  # it moved on while its execution was read
        dispatch = self.router.owed(lease.task_id)
        if dispatch is None:
            self.router.leases.end_this(lease)
            return None
        if dispatch.handout is not OFFER:
            self._keep_back(lease, dispatch.handout)
            return None
        task = build_task(state, dispatch)
        task.created_at = now
        task.lease_ms = int(lease.length_s * 1000)
        if worker.foreign:
            fill_structs(task)
        return task

    async def _read(self, lease: Lease) -> State:
        try:
            with refusals():
                return await self.registry.state(lease.execution_id)
        except BaseException:
            self.router.give_back(lease)
            raise

    def _keep_back(self, lease: Lease, handout: Handout) -> None:
        """Between the lease and now the execution was paused, or is to end."""
        if handout is Handout.STOP:
            self.router.lose(lease, "it was cancelled before its worker had it")
        else:
            self.router.leases.end(lease.task_id)
