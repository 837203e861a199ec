"""What is in a worker's hands: tasks that run, and results that the Core has not taken yet."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING

from cerebelum.code import NO_CODE, Code
from cerebelum.lanes import Call, Lanes
from cerebelum.lifeline import Lifeline
from cerebelum.runner import run_into
from cerebelum.running import LoopThread
from cerebelum.threads import Threads
from cerebelum_client import ClientError, Core, CoreUnavailable
from cerebelum_codegen.runtime import EncodeError, Timestamp
from cerebelum_codegen.runtime.rpc import MAX_MESSAGE_BYTES
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker import worker_service_pb as pb

if TYPE_CHECKING:
    from cerebelum.workflow import Workflow

FRAME_BYTES = 1024 * 1024
"""Of results after which a frame is closed."""
LARGEST_RESULT = MAX_MESSAGE_BYTES - FRAME_BYTES - 64 * 1024
"""In bytes: it leaves room in its frame for those before it."""
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
        self.now = now
        self.core = core
        self.threads = threads
        self._codes = {each.hash: each.code for each in workflows.values()}
        self._room = room
        self._held: dict[str, Held] = {}
        self._on: LoopThread | None = None
        self._lanes: Lanes | None = None
        self._emptied = asyncio.Event()
        self.owner: asyncio.Task[None] | None = None
        """The task that the worker runs in."""

    def __len__(self) -> int:
        return len(self._held)

    @property
    def task_ids(self) -> list[str]:
        """Every task that is held."""
        return list(self._held)

    @property
    def step_names(self) -> list[str]:
        """Whose steps are held, each name once."""
        return list(dict.fromkeys(held.step_name for held in self._held.values()))

    @property
    def room(self) -> int:
        """How many more tasks may run beside those that run."""
        return self._room - sum(not held.done for held in self._held.values())

    @property
    def finished(self) -> list[Held]:
        """Those whose results the Core has not taken yet."""
        return [held for held in self._held.values() if held.result is not None]

    def run(
        self,
        task: pb.Task,
        tell: Callable[[], Awaitable[None]],
        pass_on: Callable[[str], None],
        on_end: Callable[[Held], None],
    ) -> Held | None:
        """Hold a task and run its step, whose signs of life go where `Lifeline` says; `on_end` is told of its end.

        None: it is in hand already, and what comes of it is for this handout too.
        """
        known = self._held.get(task.task_id)
        if known is not None and (known.done or not known.lifeline.dropped):
            return None
        if self._on is None or self._lanes is None:
            self._on = LoopThread()
            self._lanes = Lanes(self._on.loop)
        lifeline = Lifeline(task.task_id, tell, pass_on, self.owner, self._on.ident)
        held = Held(self, task, self._codes.get(task.workflow_hash, NO_CODE), lifeline, self._on, on_end)
        self._held[task.task_id] = held
        self._lanes.run(held)
        return held

    def let_go(self, held: Held) -> bool:
        """The Core has taken the result, or nobody wants it. Whether it was in hand, and not the same task anew."""
        if self._held.get(held.task_id) is not held:
            return False
        del self._held[held.task_id]
        if not self._held:
            self._emptied.set()
        return True

    def lose(self, task_ids: Sequence[str]) -> None:
        """Stop what has moved on: nobody wants its outcome."""
        for task_id in task_ids:
            held = self._held.get(task_id)
            if held is not None and not held.done:
                _log.warning("task %s has moved on; it is stopped here", task_id)
                held.lifeline.drop()
                held.cancel()

    def stop(self, task_ids: Sequence[str]) -> None:
        """Interrupt steps whose executions are to end: once each, so that they can clean up."""
        for task_id in task_ids:
            held = self._held.get(task_id)
            if held is not None and not held.done and not held.lifeline.cancelled:
                _log.info("task %s is cancelled; its step may clean up", task_id)
                held.lifeline.stop()
                held.cancel()

    def cancel(self) -> None:
        """Stop everything."""
        for held in self._held.values():
            if not held.done:
                held.cancel()

    async def emptied(self) -> None:
        """Return when nothing is held."""
        while self._held:
            self._emptied.clear()
            await self._emptied.wait()


class Held(Call):
    """A task in a worker's hands: its step runs, or its result waits for the Core to take it. It is the step's line."""

    def __init__(
        self,
        hands: Hands,
        task: pb.Task,
        code: Code,
        lifeline: Lifeline,
        on: LoopThread,
        on_end: Callable[[Held], None],
    ) -> None:
        super().__init__()
        self.task_id = task.task_id
        self.lifeline = lifeline
        self.result: pb.TaskResult | None = None
        """What came of it, once it has ended by itself."""
        self._hands = hands
        self._task = task
        self._code = code
        self._on = on
        self._made = pb.TaskResult(task_id=task.task_id, execution_id=task.execution_id)
        self._on_end = on_end
        self.waits = task.step_name in code.waiting

    @property
    def step_name(self) -> str:
        """Which step it is."""
        return self._task.step_name

    # -- a call ------------------------------------------------------------------------------

    def begin(self) -> Coroutine[object, None, None]:
        """Run its step."""
        hands = self._hands
        return run_into(self._made, self._task, self._code, hands.now, hands.threads, self.lifeline, self, self._on)

    def cancel(self) -> None:
        """Interrupt its step, which is dropped if it was not told to stop."""
        if not self.lifeline.cancelled:
            self.lifeline.drop()
        super().cancel()

    def ended(self, by_itself: bool) -> None:
        """Its step has ended, or was cancelled."""
        self.result = self._made if by_itself else None
        if self.waits:
            self._code.waiting.add(self._task.step_name)
        else:
            self._code.waiting.discard(self._task.step_name)
        self._on_end(self)

    # -- what a running step tells the Core in between ---------------------------------------

    async def keep(self, key: str, value: Payload) -> Payload:
        """Have the Core keep a value, however often it is not there; what is kept."""
        request = pb.MemoRequest(
            task_id=self.task_id,
            execution_id=self._task.execution_id,
            worker_id=self._hands.worker_id,
            key=key,
            value=value,
        )
        while True:
            try:
                response = await self._hands.core.workers.record_memo(request)
            except CoreUnavailable as error:
                _log.info("what the step keeps is tried again: %s", error)
                await asyncio.sleep(_PAUSE_S)
                continue
            if response.outcome is pb.ResultOutcome.RESULT_OUTCOME_STALE:
                self._hands.lose([self.task_id])
                await asyncio.sleep(0)
            return response.value or value

    def is_cancelled(self) -> bool:
        """Whether the asyncio task that its step runs in was cancelled."""
        return self.task is not None and self.task.cancelling() > 0

    async def report(self, percent: int, message: str) -> None:
        """Tell how far the step is. A Core that is not there is not waited for."""
        self.lifeline.beat()
        progress = pb.StepProgress(task_id=self.task_id, percent=percent, message=message)
        request = pb.HeartbeatRequest(
            worker_id=self._hands.worker_id,
            status=pb.WorkerStatus.BUSY,
            held_task_ids=[self.task_id],
            progress=[progress],
        )
        try:
            response = await self._hands.core.workers.heartbeat(request)
        except ClientError as error:
            _log.info("progress is not told: %s", error)
            return
        self._hands.lose(response.lost_task_ids)
        self._hands.stop(response.cancelled_task_ids)
        if self.lifeline.cancelled:
            await asyncio.sleep(0)  # it is interrupted here: one that ended before that would have no outcome


def size_of(result: pb.TaskResult) -> int:
    """How many bytes a result has, beside which nothing else in a frame counts.

    Raises:
        EncodeError: it cannot travel.
    """
    if result.status is not pb.TaskStatus.SUCCESS or result.predicates is not None:
        return len(result.to_bytes())
    return len(result.output.data) if result.output is not None else 0


def takable(result: pb.TaskResult) -> pb.TaskResult:
    """The result, or what is handed in for one that cannot travel: it must not break the stream for the others."""
    try:
        size = size_of(result)
    except EncodeError as error:
        return untakable(result, str(error))
    if size > LARGEST_RESULT:
        return untakable(result, f"it has {size} bytes, and {LARGEST_RESULT} is the most")
    return result


def untakable(result: pb.TaskResult, reason: str | ClientError) -> pb.TaskResult:
    """What is handed in for a result that the Core cannot take, so that its step does not run for ever."""
    return pb.TaskResult(
        task_id=result.task_id,
        execution_id=result.execution_id,
        started_at=result.started_at,
        status=pb.TaskStatus.FAILED,
        error=pb.ErrorInfo(
            kind="ResultRefused", message=f"the Core cannot take the step's result: {reason}", non_retryable=True
        ),
    )
