"""A Core for your tests: in memory, in this process, with a clock that stands still until a test moves it.

A workflow that sleeps for three days and waits for people is tested in milliseconds:

    async with cerebelum.testing.core([order]) as core:
        handle = await core.start(order, {"id": 7})
        await core.skip(timedelta(days=3))
        await core.approve(handle, decided_by="Ada")
        assert await core.output(handle) == "shipped"

The engine, the worker and the rules are the real ones; only the store forgets and the clock waits.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar, overload

from cerebelum.declared.handle import WorkflowHandle
from cerebelum.embedded import EmbeddedCore
from cerebelum.errors import CerebelumError
from cerebelum.executor import DistributedExecutor
from cerebelum.handle import ExecutionHandle
from cerebelum.results import ExecutionResult
from cerebelum.worker import Worker, check_workflows
from cerebelum.workflow import AnyWorkflow, Workflow, queues_in
from cerebelum_client import Core
from cerebelum_client.markers import check_span, milliseconds
from cerebelum_codegen.runtime import Timestamp

if TYPE_CHECKING:
    from cerebelum_core.node import Node

_R = TypeVar("_R")
_LOOK_S = 0.001
_FAR = Timestamp.from_ns(253_402_300_799_000_000_000)
_START = datetime(2030, 1, 1, tzinfo=UTC)


@asynccontextmanager
async def core(
    workflows: Sequence[AnyWorkflow],
    *,
    start: datetime = _START,
    queues: Sequence[str] | None = None,
    concurrency: int = 100,
) -> AsyncIterator[TestingCore]:
    """A Core in memory with a worker for these workflows, and a clock that stands at `start`.

    The worker serves `queues`, by default all that the workflows name.

    Raises:
        CerebelumError: there are no workflows, or the Core is not installed: pip install 'cerebelum[core]'.
    """
    check_workflows(workflows)
    node, clock = _node(start)
    await node.start()
    embedded = EmbeddedCore(node)
    served = queues_in(workflows) if queues is None else queues
    worker = Worker(
        embedded, workflows=workflows, queues=served, worker_id="testing", concurrency=concurrency, now=clock.now
    )
    ready = asyncio.Event()
    working = asyncio.create_task(worker.run(ready.set))
    try:
        await _first(working, ready)
        yield TestingCore(node, embedded, clock)
    finally:
        worker.stop()
        await asyncio.gather(working, return_exceptions=True)
        await node.stop()


def _node(start: datetime) -> tuple[Node, _StandingClock]:
    try:
        from cerebelum_core.node import Node, NodeConfig
        from cerebelum_core.store import MemoryStore
    except ImportError as error:
        raise CerebelumError(f"cerebelum.testing needs the Core ({error}): pip install 'cerebelum[core]'") from None
    clock = _StandingClock(start)
    config = NodeConfig(node_id="testing", version="testing")
    return Node(config, store=MemoryStore(), clock=clock, random_bytes=secrets.token_bytes), clock


async def _first(working: asyncio.Task[None], ready: asyncio.Event) -> None:
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait([working, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if working.done():
        working.result()


class _StandingClock:
    def __init__(self, start: datetime) -> None:
        self._now = Timestamp.from_datetime(start)

    def now(self) -> Timestamp:
        return self._now

    def move(self, to: Timestamp) -> None:
        self._now = max(self._now, to)


class TestingCore:
    """Starts executions, moves the clock, decides approvals and sends signals. Made by `core()`."""

    __test__ = False  # its name looks like a test case to pytest

    def __init__(self, node: Node, embedded: EmbeddedCore, clock: _StandingClock) -> None:
        self._node = node
        self._clock = clock
        self.core: Core = embedded
        """What generated clients and executors take: `OrdersClient(testing.core)`."""
        self._executor = DistributedExecutor(embedded)

    @property
    def now(self) -> datetime:
        """What time it is here."""
        return self._clock.now().to_datetime()

    async def start(
        self,
        workflow: Workflow,
        inputs: object = None,
        *,
        execution_id: str | None = None,
        timeout: timedelta | None = None,
        queue: str | None = None,
    ) -> ExecutionHandle:
        """Start an execution, and return when it waits for something or has ended."""
        handle = await self._executor.submit(workflow, inputs, execution_id=execution_id, timeout=timeout, queue=queue)
        await self.settle()
        return handle

    def handle(self, execution_id: str, workflow: Workflow | str = "") -> ExecutionHandle:
        """A handle of an execution that was started before; with its workflow, values come back as it says."""
        return self._executor.handle(execution_id, workflow)

    async def settle(self) -> None:
        """Return when no step runs and nothing is due: everything waits for time, for people, or for a worker that is
        not here, or has ended."""
        while not await self._is_settled():  # noqa: ASYNC110  # quiet is an absence: nothing tells of it
            await asyncio.sleep(_LOOK_S)

    async def skip(self, duration: timedelta) -> None:
        """Let time pass. All that becomes due on the way happens in its order, each at its own time.

        Raises:
            ValueError: time does not pass backwards, nor beyond the year 9999.
            TypeError: the duration is no timedelta.
        """
        check_span("duration", duration)
        until = Timestamp.from_ns(self._clock.now().to_ns() + milliseconds(duration) * 1_000_000)
        if duration < timedelta(0) or until > _FAR:
            raise ValueError(f"cannot skip {duration} from {self.now}: go forward, and not beyond the year 9999")
        await self.settle()
        while (due := await self._next_timer()) is not None and due <= until:
            await self._move(due)
        await self._move(until)

    async def approve(
        self, handle: ExecutionHandle, response: object = None, *, decided_by: str = "", step: str = ""
    ) -> None:
        """Say yes to the approval that an execution waits for, and let it go on.

        Raises:
            Refused: it waits for none.
        """
        await handle.approve(response, decided_by=decided_by, step=step)
        await self.settle()

    async def reject(self, handle: ExecutionHandle, reason: str = "", *, decided_by: str = "", step: str = "") -> None:
        """Say no to the approval that an execution waits for, and let it go on.

        Raises:
            Refused: it waits for none.
        """
        await handle.reject(reason, decided_by=decided_by, step=step)
        await self.settle()

    async def signal(
        self, handle: ExecutionHandle, name: str, payload: object = None, *, signal_id: str = "", sent_by: str = ""
    ) -> None:
        """Send an execution a signal, and let it go on.

        Raises:
            ClientError: it takes none; see `ExecutionHandle.signal`.
        """
        await handle.signal(name, payload, signal_id=signal_id, sent_by=sent_by)
        await self.settle()

    async def cancel(self, handle: ExecutionHandle, reason: str = "") -> None:
        """Cancel an execution, and let its steps clean up."""
        await handle.cancel(reason)
        await self.settle()

    async def result(self, handle: ExecutionHandle) -> ExecutionResult:
        """Let as much time pass as it takes until an execution has ended.

        Raises:
            CerebelumError: no time ends what it waits for; the message says what that is.
        """
        await self.settle()
        while not (found := await handle.status()).ended:
            due = await self._next_timer()
            if due is None:
                why = "; ".join(each.message for each in await handle.why())
                raise CerebelumError(
                    f"execution '{handle.execution_id}' is {found.status}, and no time changes that: {why}"
                )
            await self._move(due)
        return found

    @overload
    async def output(self, handle: WorkflowHandle[_R, object, object]) -> _R: ...
    @overload
    async def output(self, handle: ExecutionHandle) -> object: ...
    async def output(self, handle: WorkflowHandle[object, object, object] | ExecutionHandle) -> object:
        """The output of an execution once it has completed, of a declared workflow in its type; see `result`.

        Raises:
            ExecutionFailed: it did not complete.
        """
        if isinstance(handle, WorkflowHandle):
            await self.result(handle.execution)
            return await handle.result()
        return (await self.result(handle)).unwrap()

    async def _move(self, to: Timestamp) -> None:
        self._clock.move(to)
        self._node.scheduler.look()
        await self.settle()

    async def _next_timer(self) -> Timestamp | None:
        due = await self._node.store.due(_FAR, limit=1)
        return due[0].wake_at if due else None

    async def _is_settled(self) -> bool:
        return self._node.is_quiet and not await self._node.store.due(self._clock.now(), limit=1)
