"""A worker: polls a Core for tasks, runs steps, and keeps each result until the Core has it."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cerebelum.core import WorkerCore
from cerebelum.errors import DefinitionError, WorkerError
from cerebelum.runner import run_task
from cerebelum.workflow import Workflow, as_workflows
from cerebelum_client import Backoff, CerebelumClient, ClientError, CoreUnavailable, InvalidRequest, NotFound
from cerebelum_codegen.runtime import Timestamp
from cerebelum_proto.worker import worker_service_pb as pb

_FEATURES = [
    pb.WorkerFeature.WORKER_FEATURE_MARKERS,
    pb.WorkerFeature.WORKER_FEATURE_PAYLOADS,
    pb.WorkerFeature.WORKER_FEATURE_LEASES,
]
_POLL_MS = 20_000
_log = logging.getLogger(__name__)


def _now() -> Timestamp:
    return Timestamp.from_ns(time.time_ns())


@dataclass(slots=True)
class _Held:
    """A task in this worker's hands: running, or finished and not yet taken by the Core."""

    task: pb.Task
    running: asyncio.Task[pb.TaskResult]


class Worker:
    """Runs the steps of some workflows for a Core.

    It survives restarts of the Core: what runs goes on, and what has finished is handed in once the Core is back.
    """

    def __init__(
        self,
        core: WorkerCore | str | None = None,
        *,
        workflows: Sequence[Workflow],
        worker_id: str | None = None,
        concurrency: int = 10,
        drain_s: float = 30.0,
        chance: Callable[[], float] = random.random,
        now: Callable[[], Timestamp] = _now,
    ) -> None:
        """Prepare a worker; `core` is a client or an address, by default CEREBELUM_URL, then localhost:50051.

        Args:
            core: where the tasks come from.
            workflows: whose steps it runs.
            worker_id: its name among workers; by default made of host, process and chance.
            concurrency: how many steps it runs at once.
            drain_s: how long running steps may take when it is stopped.
            chance: gives numbers from 0 to 1, for pauses.
            now: tells the time, for when steps began and ended.

        Raises:
            DefinitionError: one of the workflows is none.
            WorkerError: there are no workflows, or no room for a task.
        """
        if not workflows:
            raise WorkerError("a worker needs workflows: pass workflows=[...]")
        if concurrency < 1:
            raise WorkerError(f"concurrency is {concurrency}: a worker runs at least 1 step at a time")
        self.worker_id = worker_id or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._client = CerebelumClient(core) if core is None or isinstance(core, str) else None
        self._core: WorkerCore = self._client or core  # type: ignore[assignment]  # one of the two is there
        self._workflows = as_workflows(workflows)
        self._concurrency = concurrency
        self._drain_s = drain_s
        self._chance = chance
        self._now = now
        self._held: dict[str, _Held] = {}
        self._registered = asyncio.Event()
        self._must_register = asyncio.Event()
        self._stopping = asyncio.Event()
        self._heartbeat_s = 10.0

    async def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Work until `stop()` is called or this is cancelled. `on_ready` is told once the Core knows the worker.

        Raises:
            DefinitionError: the Core refuses one of the workflows.
        """
        self._must_register.set()
        session = asyncio.create_task(self._keep_registered(on_ready))
        beats = asyncio.create_task(self._keep_leases())
        polls = [asyncio.create_task(self._poll()) for _ in range(self._concurrency)]
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            done, _ = await asyncio.wait([session, stopping], return_when=asyncio.FIRST_COMPLETED)
            if session in done:
                session.result()
            await self._drain(polls)
        finally:
            for task in (*polls, session, beats, stopping, *(held.running for held in self._held.values())):
                task.cancel()
            await asyncio.gather(*polls, session, beats, stopping, return_exceptions=True)
            if self._client is not None:
                self._client.close()

    def stop(self) -> None:
        """Take no more tasks, finish those that run, and take leave."""
        self._stopping.set()

    # -- the session -------------------------------------------------------------------------

    async def _keep_registered(self, on_ready: Callable[[], None]) -> None:
        """Register whenever it is needed, and say each time what this worker still holds."""
        pauses = Backoff().pauses(self._chance)
        while True:
            await self._must_register.wait()
            try:
                await self._register()
            except CoreUnavailable as error:
                _log.info("%s; trying again", error)
                await asyncio.sleep(next(pauses))
                continue
            pauses = Backoff().pauses(self._chance)
            self._must_register.clear()
            self._registered.set()
            _log.info("worker %s polls for %s", self.worker_id, ", ".join(w.name for w in self._workflows.values()))
            on_ready()

    async def _register(self) -> None:
        for workflow in self._workflows.values():
            validation = await self._core.submit_blueprint(workflow.blueprint)
            if not validation.valid:
                raise DefinitionError(f"workflow '{workflow.name}'", validation.errors)
        request = pb.RegisterRequest(
            worker_id=self.worker_id,
            language="python",
            capabilities=sorted({name for each in self._workflows.values() for name in each.steps}),
            features=_FEATURES,
            workflows=[
                pb.WorkflowVersion(workflow_module=each.name, workflow_hash=each.hash)
                for each in self._workflows.values()
            ],
            held_task_ids=list(self._held),
        )
        response = await self._core.register(request)
        self._heartbeat_s = max(response.heartbeat_interval_ms, 100) / 1000
        self._lose(response.lost_task_ids)

    def _register_again(self) -> None:
        self._registered.clear()
        self._must_register.set()

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            await self._registered.wait()
            try:
                await self._beat()
            except ClientError as error:
                _log.info("no heartbeat: %s", error)
                self._register_again()

    async def _beat(self) -> None:
        """Renew the leases of everything held, and stop what is lost."""
        status = pb.WorkerStatus.BUSY if self._held else pb.WorkerStatus.IDLE
        request = pb.HeartbeatRequest(worker_id=self.worker_id, status=status, held_task_ids=list(self._held))
        response = await self._core.heartbeat(request)
        if "register" in response.commands:
            self._register_again()
        self._lose(response.lost_task_ids)

    def _lose(self, task_ids: Sequence[str]) -> None:
        for task_id in task_ids:
            held = self._held.get(task_id)
            if held is not None:
                _log.warning("task %s has moved on; it is stopped here", task_id)
                held.running.cancel()

    # -- tasks -------------------------------------------------------------------------------

    async def _poll(self) -> None:
        pauses = Backoff().pauses(self._chance)
        while not self._stopping.is_set():
            await self._registered.wait()
            try:
                task = await self._core.poll(self.worker_id, _POLL_MS)
            except (CoreUnavailable, NotFound):
                self._register_again()
                continue
            except ClientError as error:
                _log.warning("polling failed: %s", error)
                await asyncio.sleep(next(pauses))
                continue
            pauses = Backoff().pauses(self._chance)
            if task.task_id:
                await self._perform(task)

    async def _perform(self, task: pb.Task) -> None:
        workflow = self._workflows.get(task.workflow_hash)
        running = asyncio.create_task(
            run_task(
                task,
                workflow.steps if workflow else {},
                worker_id=self.worker_id,
                now=self._now,
                heartbeat=self._step_heartbeat,
            )
        )
        self._held[task.task_id] = _Held(task, running)
        try:
            # Shielded, so that a poller that is told to stop leaves the step to the drain.
            await self._hand_in(await asyncio.shield(running))
        except asyncio.CancelledError:
            if not running.cancelled():
                raise
        finally:
            self._held.pop(task.task_id, None)

    async def _step_heartbeat(self) -> None:
        try:
            await self._beat()
        except ClientError:
            self._register_again()
        await asyncio.sleep(0)

    async def _hand_in(self, result: pb.TaskResult) -> None:
        """Hand in a result until the Core has taken it."""
        while True:
            await self._registered.wait()
            try:
                ack = await self._core.submit_result(result)
            except CoreUnavailable:
                self._register_again()
            except InvalidRequest as error:
                if result.status is pb.TaskStatus.FAILED:
                    _log.error("the Core cannot take the result of %s: %s", result.task_id, error)
                    return
                result = _untakable(result, error)
            except ClientError as error:
                _log.error("the result of %s is tried again: %s", result.task_id, error)
                await asyncio.sleep(1)
            else:
                if ack.outcome is pb.ResultOutcome.RESULT_OUTCOME_STALE:
                    _log.warning("%s", ack.message)
                return

    async def _drain(self, polls: list[asyncio.Task[None]]) -> None:
        """Let running steps finish, within their time; then take leave, which hands the rest to others."""
        if self._held:
            _log.info("%d steps are running; they have %g s to finish", len(self._held), self._drain_s)
        busy = [held.running for held in self._held.values()]
        if busy:
            await asyncio.wait(busy, timeout=self._drain_s)
        # A poller that holds nothing only waits for a task: it is let go. One that hands in a result may finish.
        try:
            async with asyncio.timeout(self._drain_s):
                while self._held:
                    await asyncio.wait(polls, timeout=0.02)
        except TimeoutError:
            _log.warning("%d steps did not finish; others will run them", len(self._held))
        for poll in polls:
            poll.cancel()
        try:
            await self._core.unregister(self.worker_id, "its worker was stopped")
        except ClientError as error:
            _log.info("the Core is not told of the leave: %s", error)


def _untakable(result: pb.TaskResult, error: ClientError) -> pb.TaskResult:
    """What is handed in for a result that the Core cannot take, so that its step does not run for ever."""
    return pb.TaskResult(
        task_id=result.task_id,
        execution_id=result.execution_id,
        worker_id=result.worker_id,
        started_at=result.started_at,
        status=pb.TaskStatus.FAILED,
        error=pb.ErrorInfo(
            kind="ResultRefused", message=f"the Core cannot take the step's result: {error}", non_retryable=True
        ),
    )
