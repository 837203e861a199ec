"""A durable Core in this process: the same store, engine and rules, without a socket.

The one module of the SDK that imports the Core, and only when it is asked for.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar, cast

from cerebelum.errors import CerebelumError
from cerebelum.executor import DistributedExecutor
from cerebelum.handle import ExecutionHandle
from cerebelum.local import Approver, No
from cerebelum.results import ExecutionResult, question_of
from cerebelum.signals import Signals, identified
from cerebelum.worker import Worker
from cerebelum.workflow import Workflow, queues_in
from cerebelum_client import Calls, Core, CoreUnavailable, Refused, Stubs
from cerebelum_codegen.runtime import Message
from cerebelum_codegen.runtime.rpc import RequestContext, Service
from cerebelum_proto.control.v1.control_grpc import ControlServiceStub
from cerebelum_proto.control.v1.lifecycle_grpc import LifecycleServiceStub
from cerebelum_proto.events.v1.events_pb import (
    ApprovalExpired,
    ApprovalGranted,
    ApprovalRejected,
    ApprovalRequested,
    CancellationRequested,
    Event,
    StepCancelled,
)
from cerebelum_proto.stream.v1.stream_grpc import StreamServiceStub
from cerebelum_proto.worker.worker_service_grpc import WorkerServiceStub

if TYPE_CHECKING:
    from cerebelum_core.node import Node

_T = TypeVar("_T")
_log = logging.getLogger(__name__)
_FREQUENT = ("await_result", "execute", "execute_workflow", "work")
"""Calls whose parts were looked at when they were put together."""


async def run_embedded(
    workflow: Workflow,
    inputs: object,
    *,
    store: str,
    execution_id: str | None = None,
    timeout: timedelta | None = None,
    approver: Approver | None = None,
    signals: Signals = (),
) -> ExecutionResult:
    """Run a workflow on a durable store in this process. The same execution id goes on where it was.

    Whoever is cancelled first lets running steps finish, for 30 s at the most; cancelled again, it leaves them.
    Without an `approver`, an approval waits for somebody who decides it through a Core on the same store, and so does
    a wait for a signal that is not among `signals`.

    Raises:
        CerebelumError: the store cannot be had or kept, or what it needs is not installed.
    """
    async with embedded_core(store) as core:
        worker = Worker(core, workflows=[workflow], queues=queues_in([workflow]))
        working, replaced = asyncio.create_task(worker.run()), asyncio.create_task(_replaced(core))
        beside = [working, replaced]
        try:
            handle = await DistributedExecutor(core).submit(
                workflow, inputs, execution_id=execution_id, timeout=timeout
            )
            if execution_id is not None:
                await _warn_of_dead_letters(handle)
            if approver is not None:
                beside.append(asyncio.create_task(_approve(core, handle, approver)))
            beside.append(asyncio.create_task(_send(handle, signals)))
            return await _unless_one_fails(asyncio.create_task(handle.result()), beside)
        finally:
            if replaced.done():
                working.cancel()  # nothing that it hands in counts any more
            await _end(worker, beside)


async def _warn_of_dead_letters(handle: ExecutionHandle) -> None:
    """A run that only goes on when somebody else lets it would wait without a word: nobody can ask its Core."""
    with suppress(CoreUnavailable):  # the run does without
        for each in await handle.why():
            if each.standing == "dead_lettered":
                told = "step %r of execution %r %s: this run waits for it; stop it, and redrive it on `cerebelum core`"
                _log.warning(told, each.step, handle.execution_id, each.message)


async def _end(worker: Worker, beside: Sequence[asyncio.Task[None]]) -> None:
    """End the worker, the first of these, once its steps are done, and the others. Who is cancelled waits no more."""
    for task in beside[1:]:
        task.cancel()
    worker.stop()
    try:
        await asyncio.wait(beside)
    except asyncio.CancelledError:
        worker.stop()  # again: what it waits for is left
        await asyncio.wait(beside)
        raise
    finally:
        beside[0].cancel()


async def _replaced(core: EmbeddedCore) -> None:
    await core.superseded()
    raise CerebelumError(
        "another Core took the store over, which this one had not renewed in time: what was recorded is there; "
        "run it again once that one has ended"
    )


async def _unless_one_fails(result: asyncio.Task[_T], beside: Sequence[asyncio.Task[None]]) -> _T:
    """The result; or the error of what works toward it, without which there will be none."""
    waiting: set[asyncio.Task[_T] | asyncio.Task[None]] = {result, *beside}
    try:
        while not result.done():
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for each in beside:
                if each in done:
                    each.result()
        return result.result()
    finally:
        result.cancel()


@asynccontextmanager
async def embedded_core(store: str, *, apart: bool = False) -> AsyncIterator[EmbeddedCore]:
    """A Core on a store, started and stopped with this block.

    `apart`: what writes to the store is a process of its own, which this one starts. With a hundred executions in
    flight that makes a third more steps a second; alone, a write is committed here either way.

    Raises:
        CerebelumError: the store cannot be had.
    """
    from cerebelum_core.errors import StartError, StoreError
    from cerebelum_core.server import open_node

    try:
        node = open_node(store, apart=apart)
    except StartError as error:
        raise CerebelumError(str(error)) from None
    starting = asyncio.ensure_future(node.start())
    try:
        try:
            await asyncio.shield(starting)
        except StoreError as error:
            raise CerebelumError(f"the Core cannot start: {error}") from None
        yield EmbeddedCore(node)
    finally:
        # Also whoever is cancelled while it starts lets go of the store.
        await asyncio.wait([starting])
        await node.stop()


async def _approve(core: EmbeddedCore, handle: ExecutionHandle, approver: Approver) -> None:
    """Put each question that is open to the approver, all at once, and withdraw what is settled otherwise."""
    known = (await core.executions.status(handle.execution_id)).history_length
    asked: dict[str, ApprovalRequested] = {}
    put: dict[str, asyncio.Task[None]] = {}
    failed: BaseException
    try:
        async with (
            asyncio.TaskGroup() as group,
            aclosing(core.executions.history(handle.execution_id, follow=True)) as events,
        ):
            async for event in events:
                _note(asked, event)
                if event.version < known:  # what was asked may be settled by now
                    continue
                waiting = {question.task_id: question for question in asked.values()}
                for task_id in [each for each in put if each not in waiting]:
                    put.pop(task_id).cancel()
                for task_id in [each for each in waiting if each not in put]:
                    put[task_id] = group.create_task(_put(handle, waiting[task_id], approver))
            for task in put.values():
                task.cancel()
        return
    except BaseExceptionGroup as failures:
        failed = failures.exceptions[0]
    raise failed


def _note(asked: dict[str, ApprovalRequested], event: Event) -> None:
    """Keep what is asked, by step, for as long as it waits for an answer."""
    match event.fact:
        case ApprovalRequested(step=step):
            asked[step] = event.fact
        case (
            ApprovalGranted(step=step)
            | ApprovalRejected(step=step)
            | ApprovalExpired(step=step)
            | StepCancelled(step=step)
        ):
            asked.pop(step, None)
        case CancellationRequested():
            asked.clear()
        case _:
            pass


async def _put(handle: ExecutionHandle, asked: ApprovalRequested, approver: Approver) -> None:
    try:
        decision = await approver(question_of(asked))
    except asyncio.CancelledError as cancelled:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # A group takes it for the end of a task that nobody needs any more.
        raise CerebelumError(
            f"the approver was cancelled from within while it decided step '{asked.step}': "
            "let it return a decision, or raise an error of its own"
        ) from cancelled
    # While the approver thought about it, the time may have run out, or somebody else may have decided.
    with suppress(Refused):
        if isinstance(decision, No):
            await handle.reject(decision.reason, decided_by=decision.decided_by, step=asked.step, task_id=asked.task_id)
        else:
            await handle.approve(
                decision.response, decided_by=decision.decided_by, step=asked.step, task_id=asked.task_id
            )


async def _send(handle: ExecutionHandle, signals: Signals) -> None:
    async with aclosing(identified(signals)) as each:
        async for signal in each:
            with suppress(Refused):  # it has ended
                await handle.signal(signal.name, signal.payload, signal_id=signal.signal_id, sent_by=signal.sent_by)


class EmbeddedCore(Core):
    """A Core in this process."""

    def __init__(
        self, node: Node, chance: Callable[[], float] = random.random, context: RequestContext | None = None
    ) -> None:
        self._node = node
        context = context or node.worker_edge.here
        # A stub and the server of one service have the same methods; `_Called` gives the server's a stub's form.
        stubs = Stubs(
            worker=cast("WorkerServiceStub", _Called(node.worker_edge, context)),
            stream=cast("StreamServiceStub", _Called(node.stream_edge, context)),
            control=cast("ControlServiceStub", _Called(node.control_edge, context)),
            lifecycle=cast("LifecycleServiceStub", _Called(node.lifecycle_edge, context)),
        )
        super().__init__(stubs, Calls(address="this process", call_s=0, retry_s=0, chance=chance))

    async def superseded(self) -> None:
        """Return when another Core owns the store: nothing can be recorded here any more."""
        await self._node.store.superseded()


class _Called:
    """A server's methods, called as those of its stub are, with nothing in between.

    A Core keeps what it is told and writes it later, so what cannot be written is refused here, as it is on the wire.
    """

    def __init__(self, service: Service, context: RequestContext) -> None:
        self._service = service
        self._context = context

    def __getattr__(self, name: str) -> Callable[..., object]:
        method: Callable[[object, RequestContext], object] = getattr(self._service, name)
        context = self._context
        if name in _FREQUENT:
            return lambda request, **_: method(request, context)

        def call(request: Message, **_: object) -> object:
            request.to_bytes()
            return method(request, context)

        return call
