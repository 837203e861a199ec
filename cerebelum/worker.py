"""A worker: takes tasks from a Core, runs steps, and keeps each result until the Core has it."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

from cerebelum import clock
from cerebelum.errors import WorkerError
from cerebelum.hands import Hands
from cerebelum.policies import queue_faults
from cerebelum.polling import Polling
from cerebelum.streaming import Streaming
from cerebelum.threads import Threads
from cerebelum.workflow import AnyWorkflow, Workflow, as_workflows, submit
from cerebelum_client import ClientError, Core, Unsupported
from cerebelum_client.client import connected
from cerebelum_codegen.runtime import Timestamp
from cerebelum_engine import DEFAULT_QUEUE
from cerebelum_proto.worker import worker_service_pb as pb

FEATURES = [
    pb.WorkerFeature.WORKER_FEATURE_MARKERS,
    pb.WorkerFeature.WORKER_FEATURE_PAYLOADS,
    pb.WorkerFeature.WORKER_FEATURE_LEASES,
]
"""What our workers announce: deployed ones of other clients do without."""
_log = logging.getLogger(__name__)


class Worker:
    """Runs the steps of some workflows for a Core.

    It survives restarts of the Core: what runs goes on, and what has finished is handed in once the Core is back.
    """

    def __init__(
        self,
        core: Core | str | None = None,
        *,
        workflows: Sequence[AnyWorkflow],
        worker_id: str | None = None,
        queues: Sequence[str] = (),
        concurrency: int = 10,
        drain_s: float = 30.0,
        chance: Callable[[], float] = random.random,
        now: Callable[[], Timestamp] = clock.now,
    ) -> None:
        """Prepare a worker; nothing is opened yet.

        Args:
            core: where the tasks come from: a client or an address, by default CEREBELUM_URL, then localhost:50051.
            workflows: whose steps it runs.
            worker_id: its name among workers; by default made of host, process and chance.
            queues: whose steps it takes, as in queues=["gpu", "default"]; by default those of `default` only.
            concurrency: how many steps it runs at once; those that are plain functions, each in a thread of its own.
            drain_s: how long running steps may take when it is stopped.
            chance: gives numbers from 0 to 1, for pauses.
            now: tells the time, for when steps began and ended.

        Raises:
            DefinitionError: one of the workflows is none.
            WorkerError: there are no workflows, no room for a task, or an argument is none of its kind.
        """
        check_workflows(workflows)
        if faults := [*_faults(worker_id, concurrency, drain_s), *_queue_faults(queues)]:
            raise WorkerError("; ".join(faults))
        self.queues = tuple(dict.fromkeys(queues)) or (DEFAULT_QUEUE,)
        self.worker_id = worker_id or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._core, self._close = connected(core)
        self._workflows = as_workflows(workflows)
        self._concurrency = concurrency
        self._drain_s = drain_s
        self._chance = chance
        self._threads = Threads()
        self._hands = Hands(self.worker_id, self._workflows, now, concurrency, self._core, self._threads)
        self._link: Streaming | Polling = Streaming(self._core, self._hands, self._announce, chance)
        self._stopping = asyncio.Event()
        self._patience: asyncio.Timeout | None = None
        self._incarnation = secrets.token_hex(8)

    async def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Work until `stop()` is called or this is cancelled. `on_ready` is told once the Core knows the worker.

        Raises:
            DefinitionError: the Core refuses one of the workflows.
        """
        self._hands.owner = asyncio.current_task()
        working = asyncio.create_task(self._work(on_ready))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            done, _ = await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
            if working in done:
                working.result()
            await self._drain()
        finally:
            working.cancel()
            stopping.cancel()
            self._hands.cancel()
            await asyncio.gather(working, stopping, return_exceptions=True)
            self._threads.close()
            self._close()

    def stop(self) -> None:
        """Take no more tasks, finish those that run, and take leave; called again, what it then waits for is left."""
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(0)
        self._stopping.set()

    async def _work(self, on_ready: Callable[[], None]) -> None:
        names, queues = ", ".join(each.name for each in self._workflows.values()), ", ".join(self.queues)

        def ready() -> None:
            _log.info("worker %s waits for tasks of %s in %s", self.worker_id, names, queues)
            on_ready()

        try:
            await self._link.run(ready)
        except Unsupported:
            _log.info("the Core has no streams: the worker polls")
            self._link = Polling(self._core, self._hands, self._announce, self._chance)
            await self._link.run(ready)

    async def _announce(self) -> pb.RegisterRequest:
        """Bring the Core this worker's blueprints; what it is then told about this worker.

        Raises:
            DefinitionError: the Core refuses one of them.
        """
        for workflow in self._workflows.values():
            await submit(self._core, workflow.blueprint)
        return pb.RegisterRequest(
            worker_id=self.worker_id,
            language="python",
            capabilities=sorted({name for each in self._workflows.values() for name in each.code.steps}),
            features=FEATURES,
            workflows=[
                pb.WorkflowVersion(workflow_module=each.name, workflow_hash=each.hash)
                for each in self._workflows.values()
            ],
            held_task_ids=self._hands.task_ids,
            incarnation=self._incarnation,
            queues=list(self.queues),
            concurrency=self._concurrency,
        )

    async def _drain(self) -> None:
        """Let running steps finish, within their time; then take leave, which hands the rest to others."""
        self._link.leave()
        if count := len(self._hands):
            told = "%s running, with %g s to finish; stopped again (Ctrl-C), the worker leaves the rest to others"
            _log.info(told, _steps(count), self._drain_s)
        if not await self._within(self._drain_s, self._hands.emptied()):
            _log.warning("%s not finished and left to others", _steps(len(self._hands)))
        try:
            if not await self._within(None, self._core.workers.unregister(self.worker_id, "its worker was stopped")):
                _log.info("the Core is not told of the leave: the worker was stopped again")
        except ClientError as error:
            _log.info("the Core is not told of the leave: %s", error)

    async def _within(self, limit_s: float | None, work: Awaitable[object]) -> bool:
        """Whether this was done in time, and before the worker was stopped again."""
        try:
            async with asyncio.timeout(limit_s) as self._patience:
                await work
        except TimeoutError:
            return False
        finally:
            self._patience = None
        return True


def _steps(count: int) -> str:
    return "1 step is" if count == 1 else f"{count} steps are"


def check_workflows(workflows: object) -> None:
    """See that there are several workflows, or one in a list.

    Raises:
        WorkerError: there are none.
    """
    if isinstance(workflows, Workflow):
        raise WorkerError(f"workflows is workflow '{workflows.name}' alone: pass a list, workflows=[...]")
    if workflows and not isinstance(workflows, Iterable):
        raise WorkerError(f"workflows is {workflows!r}: pass a list, workflows=[...]")
    if not workflows:
        raise WorkerError("a worker needs workflows: pass workflows=[...]")


def _queue_faults(queues: object) -> list[str]:
    if isinstance(queues, str) or not isinstance(queues, Iterable):
        return [f"queues is {queues!r}: pass a list, queues=[{queues!r}]"]
    return queue_faults(queues)


def _faults(worker_id: object, concurrency: object, drain_s: object) -> Iterator[str]:
    """What is wrong with the other arguments of a worker, each fault with its mend."""
    if worker_id is not None and not isinstance(worker_id, str):
        yield f"worker_id is {worker_id!r}: give a text"
    if not isinstance(concurrency, int):
        yield f"concurrency is {concurrency!r}: give a whole number"
    elif concurrency < 1:
        yield f"concurrency is {concurrency}: a worker runs at least 1 step at a time"
    if not isinstance(drain_s, int | float) or not drain_s >= 0:
        yield f"drain_s is {drain_s!r}: give seconds"
