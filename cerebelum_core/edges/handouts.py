"""From a lease to the task that a worker is handed."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import partial

from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.clock import Clock
from cerebelum_core.edges.foreign import fill_structs
from cerebelum_core.edges.refusals import refusals
from cerebelum_core.execution import Answer
from cerebelum_core.leases import Lease
from cerebelum_core.registry import Registry
from cerebelum_core.router import TaskRouter
from cerebelum_core.workers import Worker
from cerebelum_engine import OFFER, Failed, Handout, RecordResult, State, build_task
from cerebelum_proto.types.v1.types_pb import Failure, Payload
from cerebelum_proto.worker.worker_service_pb import Task

MOST_BYTES = 16 * 1024 * 1024
"""Of what a task brings, and of what a stream tells of an end: nobody else is served while it is written ..."""
MOST_BYTES_FOREIGN = 4 * 1024 * 1024 - 64 * 1024
"""... and deployed clients take 4 MiB, as gRPC does where nobody says otherwise."""
_RETRY_S = 1.0
_log = logging.getLogger(__name__)


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
        if lease.ended:
            return None  # it moved on while its execution was read
        dispatch = self.router.owed(lease.task_id)
        if dispatch is None:
            self.router.leases.end(lease)
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

    def fits(self, task: Task, size: int, lease: Lease, worker: Worker) -> bool:
        """Whether a worker can take a task. If not, no other could: its step fails."""
        most = MOST_BYTES
        if worker.foreign:
            most = MOST_BYTES_FOREIGN
            # What it reads is encoded as Structs, in which a number takes up to eight times its digits.
            size = len(task.to_bytes()) if size > most // 8 else size
        if size > most:
            told = f"what step {task.step_name!r} takes has {size} bytes together, and {most} is the most"
            failure = Failure(
                kind="task_too_large", message=f"{told}: keep it elsewhere and pass on where it is", non_retryable=True
            )
            command = RecordResult(task_id=task.task_id, worker_id="", outcome=Failed(failure=failure))
            self.registry.post(task.execution_id, command, partial(self._failed, lease))
        return size <= most

    def _failed(self, lease: Lease, answer: Answer | Exception) -> None:
        if isinstance(answer, Exception):
            _log.warning("task %s is too large, which is recorded later: %s", lease.task_id, answer)
            asyncio.get_running_loop().call_later(_RETRY_S, self.router.give_back, lease)

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
            self.router.leases.end(lease)


def size_of(task: Task) -> int:
    """How many bytes of values a task brings, in which nothing else compares with them."""
    size = bytes_in(task.workflow_inputs)
    for payload in task.arguments.values():
        size += bytes_in(payload)
    if task.memos:
        for kept in task.memos.values():
            size += bytes_in(kept)
    if task.satisfied_markers:
        for marker in task.satisfied_markers:
            size += len(marker.to_bytes())
    return size


def bytes_in(payload: Payload | None) -> int:
    """How many bytes a value has."""
    return 0 if payload is None else len(payload.data)
