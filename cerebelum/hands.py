"""What is in a worker's hands: tasks that run, and results that the Core has not taken yet."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from cerebelum.code import NO_CODE
from cerebelum.runner import run_task
from cerebelum.signals import Signals
from cerebelum.threads import Threads
from cerebelum.workflow import Workflow
from cerebelum_client import ClientError, Core, CoreUnavailable
from cerebelum_codegen.runtime import Timestamp
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker import worker_service_pb as pb

_PAUSE_S = 1.0
_log = logging.getLogger(__name__)


class Hands:
    """The tasks that one worker holds."""

    def __init__(
        self,
        worker_id: str,
        workflows: Mapping[str, Workflow],
        now: Callable[[], Timestamp],
        room: int,
        core: Core,
        threads: Threads,
    ) -> None:
        self.worker_id = worker_id
        self._workflows = workflows
        self._now = now
        self._room = room
        self._core = core
        self._threads = threads
        self._held: dict[str, asyncio.Task[pb.TaskResult]] = {}
        self._signals: dict[str, Signals] = {}
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._held)

    @property
    def task_ids(self) -> list[str]:
        """Every task that is held."""
        return list(self._held)

    @property
    def room(self) -> int:
        """How many more tasks may run beside those that run."""
        return self._room - sum(not running.done() for running in self._held.values())

    def run(
        self, task: pb.Task, tell: Callable[[], Awaitable[None]], pass_on: Callable[[], None]
    ) -> asyncio.Task[pb.TaskResult]:
        """Hold a task and run its step, whose signs of life go where `Signals` says."""
        workflow = self._workflows.get(task.workflow_hash)
        signals = Signals(tell, pass_on)
        running = asyncio.create_task(
            run_task(
                task,
                workflow.code if workflow else NO_CODE,
                worker_id=self.worker_id,
                now=self._now,
                threads=self._threads,
                signals=signals,
                line=_Line(self, task, self._core, signals),
            )
        )
        self._held[task.task_id] = running
        self._signals[task.task_id] = signals
        return running

    def let_go(self, task_id: str) -> None:
        """The Core has taken the result, or nobody wants it."""
        self._held.pop(task_id, None)
        self._signals.pop(task_id, None)
        self._changed.set()

    def lose(self, task_ids: Sequence[str]) -> None:
        """Stop what has moved on: nobody wants its outcome."""
        for task_id in task_ids:
            running = self._held.get(task_id)
            if running is not None and not running.done():
                _log.warning("task %s has moved on; it is stopped here", task_id)
                self._signals[task_id].drop()
                running.cancel()

    def stop(self, task_ids: Sequence[str]) -> None:
        """Interrupt steps whose executions are to end: once each, so that they can clean up."""
        for task_id in task_ids:
            running = self._held.get(task_id)
            if running is not None and not running.done() and not self._signals[task_id].cancelled:
                _log.info("task %s is cancelled; its step may clean up", task_id)
                self._signals[task_id].stop()
                running.cancel()

    def cancel(self) -> None:
        """Stop everything."""
        for running in self._held.values():
            running.cancel()

    async def emptied(self) -> None:
        """Return when nothing is held."""
        while self._held:
            self._changed.clear()
            await self._changed.wait()


class _Line:
    """What a running step tells the Core in between."""

    def __init__(self, hands: Hands, task: pb.Task, core: Core, signals: Signals) -> None:
        self._hands = hands
        self._task = task
        self._core = core
        self._signals = signals

    async def keep(self, key: str, value: Payload) -> Payload:
        """Have the Core keep a value, however often it is not there; what is kept."""
        request = pb.MemoRequest(
            task_id=self._task.task_id,
            execution_id=self._task.execution_id,
            worker_id=self._hands.worker_id,
            key=key,
            value=value,
        )
        while True:
            try:
                response = await self._core.workers.record_memo(request)
            except CoreUnavailable as error:
                _log.info("what the step keeps is tried again: %s", error)
                await asyncio.sleep(_PAUSE_S)
                continue
            if response.outcome is pb.ResultOutcome.RESULT_OUTCOME_STALE:
                self._hands.lose([self._task.task_id])
                await asyncio.sleep(0)
            return response.value or value

    async def report(self, percent: int, message: str) -> None:
        """Tell how far the step is. A Core that is not there is not waited for."""
        self._signals.beat()
        progress = pb.StepProgress(task_id=self._task.task_id, percent=percent, message=message)
        request = pb.HeartbeatRequest(
            worker_id=self._hands.worker_id,
            status=pb.WorkerStatus.BUSY,
            held_task_ids=[self._task.task_id],
            progress=[progress],
        )
        try:
            response = await self._core.workers.heartbeat(request)
        except ClientError as error:
            _log.info("progress is not told: %s", error)
            return
        self._hands.lose(response.lost_task_ids)
        self._hands.stop(response.cancelled_task_ids)


def untakable(result: pb.TaskResult, reason: str | ClientError) -> pb.TaskResult:
    """What is handed in for a result that the Core cannot take, so that its step does not run for ever."""
    return pb.TaskResult(
        task_id=result.task_id,
        execution_id=result.execution_id,
        worker_id=result.worker_id,
        started_at=result.started_at,
        status=pb.TaskStatus.FAILED,
        error=pb.ErrorInfo(
            kind="ResultRefused", message=f"the Core cannot take the step's result: {reason}", non_retryable=True
        ),
    )
