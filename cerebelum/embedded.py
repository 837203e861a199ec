"""A durable Core in this process: the same store, engine and rules, without a socket.

The one module of the SDK that imports the Core, and only when it is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from cerebelum.errors import CerebelumError
from cerebelum.executor import DistributedExecutor, ExecutionHandle
from cerebelum.local import Approver, No, PendingApproval
from cerebelum.results import ExecutionResult
from cerebelum.worker import Worker
from cerebelum.workflow import Workflow
from cerebelum_client.client import execute_request, status_in
from cerebelum_client.errors import Refused, client_error
from cerebelum_codegen.runtime.rpc import RequestContext, RpcError
from cerebelum_proto.control.v1 import control_pb
from cerebelum_proto.events.v1.events_pb import ApprovalRequested, Event
from cerebelum_proto.stream.v1 import stream_pb
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker import worker_service_pb as pb

if TYPE_CHECKING:
    from cerebelum_core.node import Node

_T = TypeVar("_T")
_HERE = RequestContext()


async def run_embedded(
    workflow: Workflow,
    inputs: object,
    *,
    store: str,
    execution_id: str | None = None,
    timeout: timedelta | None = None,
    approver: Approver | None = None,
) -> ExecutionResult:
    """Run a workflow on a durable store in this process. The same execution id goes on where it was.

    Without an `approver`, an approval waits for somebody who decides it through a Core on the same store.

    Raises:
        CerebelumError: the store cannot be had, or what it needs is not installed.
    """
    async with embedded_core(store) as core:
        worker = Worker(core, workflows=[workflow])
        working = asyncio.create_task(worker.run())
        beside = [working]
        try:
            handle = await DistributedExecutor(core=core).submit(
                workflow, inputs, execution_id=execution_id, timeout=timeout
            )
            if approver is not None:
                beside.append(asyncio.create_task(_approve(core, handle, approver)))
            return await _unless_one_fails(asyncio.create_task(handle.result()), beside)
        finally:
            for task in beside[1:]:
                task.cancel()
            worker.stop()
            await asyncio.wait(beside)


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
async def embedded_core(store: str) -> AsyncIterator[EmbeddedCore]:
    """A Core on a store, started and stopped with this block.

    Raises:
        CerebelumError: the store cannot be had.
    """
    from cerebelum_core.errors import StartError
    from cerebelum_core.server import open_node

    try:
        node = open_node(store)
    except StartError as error:
        raise CerebelumError(str(error)) from None
    await node.start()
    try:
        yield EmbeddedCore(node)
    finally:
        await node.stop()


async def _approve(core: EmbeddedCore, handle: ExecutionHandle, approver: Approver) -> None:
    async for event in core.history(handle.execution_id, follow=True):
        if not isinstance(event.fact, ApprovalRequested):
            continue
        status = await core.status(handle.execution_id)
        if status.approval_info is None or status.approval_info.step_name != event.fact.step:
            continue
        request = PendingApproval(
            step=event.fact.step, approval_type=event.fact.approval_type, data=event.fact.data or {}
        )
        decision = await approver(request)
        # While the approver thought about it, the time may have run out, or somebody else may have decided.
        with suppress(Refused):
            if isinstance(decision, No):
                await handle.reject(decision.reason, decided_by=decision.decided_by, step=request.step)
            else:
                await handle.approve(decision.response, decided_by=decision.decided_by, step=request.step)


class EmbeddedCore:
    """A Core in this process, with the face of a client."""

    def __init__(self, node: Node) -> None:
        self._worker = node.worker_edge
        self._stream = node.stream_edge
        self._control = node.control_edge

    async def submit_blueprint(self, blueprint: pb.Blueprint) -> pb.BlueprintValidation:
        """Have a blueprint validated and kept."""
        return await _call(self._worker.submit_blueprint(blueprint, _HERE))

    async def register(self, request: pb.RegisterRequest) -> pb.RegisterResponse:
        """Announce a worker."""
        return await _call(self._worker.register(request, _HERE))

    async def unregister(self, worker_id: str, reason: str = "") -> None:
        """Take a worker's leave."""
        await _call(self._worker.unregister(pb.UnregisterRequest(worker_id=worker_id, reason=reason), _HERE))

    async def heartbeat(self, request: pb.HeartbeatRequest) -> pb.HeartbeatResponse:
        """Keep a worker's leases."""
        return await _call(self._worker.heartbeat(request, _HERE))

    async def poll(self, worker_id: str, timeout_ms: int) -> pb.Task:
        """Wait for a task."""
        return await _call(
            self._worker.poll_for_task(pb.PollRequest(worker_id=worker_id, timeout_ms=timeout_ms), _HERE)
        )

    async def submit_result(self, result: pb.TaskResult) -> pb.Ack:
        """Hand in what became of a task."""
        return await _call(self._worker.submit_result(result, _HERE))

    async def work(
        self, requests: AsyncIterator[stream_pb.WorkRequest]
    ) -> AsyncGenerator[stream_pb.WorkResponse, None]:
        """A worker's whole session."""
        async for frame in _frames(self._stream.work(requests, _HERE)):
            yield frame

    async def execute(
        self, requests: AsyncIterator[stream_pb.ExecuteRequest]
    ) -> AsyncGenerator[stream_pb.ExecuteResponse, None]:
        """Start many executions and hear of the end of each."""
        async for frame in _frames(self._stream.execute(requests, _HERE)):
            yield frame

    async def await_result(
        self, execution_id: str = "", *, start: pb.ExecuteRequest | None = None
    ) -> pb.ExecutionStatus:
        """Start an execution, or find one, and wait for its end, but not for ever."""
        request = stream_pb.AwaitResultRequest(execution_id=execution_id, start=start)
        return status_in(await _call(self._stream.await_result(request, _HERE)))

    async def record_memo(self, request: pb.MemoRequest) -> pb.MemoResponse:
        """Keep a value of a running step."""
        return await _call(self._worker.record_memo(request, _HERE))

    async def start(
        self,
        workflow: str,
        inputs: Payload,
        *,
        execution_id: str = "",
        workflow_hash: str = "",
        correlation_id: str = "",
        tags: Sequence[str] = (),
        timeout_ms: int = 0,
    ) -> pb.ExecutionHandle:
        """Start an execution."""
        request = execute_request(
            workflow,
            inputs,
            execution_id=execution_id,
            workflow_hash=workflow_hash,
            correlation_id=correlation_id,
            tags=tags,
            timeout_ms=timeout_ms,
        )
        return await _call(self._worker.execute_workflow(request, _HERE))

    async def status(self, execution_id: str) -> pb.ExecutionStatus:
        """Where an execution stands."""
        request = pb.GetExecutionStatusRequest(execution_id=execution_id)
        return await _call(self._worker.get_execution_status(request, _HERE))

    async def history(self, execution_id: str, *, after_version: int = 0, follow: bool = False) -> AsyncIterator[Event]:
        """The events of an execution."""
        request = control_pb.GetHistoryRequest(execution_id=execution_id, after_version=after_version, follow=follow)
        try:
            async with aclosing(self._control.get_history(request, _HERE)) as responses:
                async for response in responses:
                    if response.event is not None:
                        yield response.event
        except RpcError as error:
            raise client_error(error, "this process") from None

    async def approve(
        self, execution_id: str, *, response: Payload | None = None, decided_by: str = "", step: str = ""
    ) -> control_pb.ApproveResponse:
        """Answer a waiting approval with yes."""
        request = control_pb.ApproveRequest(
            execution_id=execution_id, step_name=step, response=response, decided_by=decided_by
        )
        return await _call(self._control.approve(request, _HERE))

    async def reject(
        self, execution_id: str, *, reason: str = "", decided_by: str = "", step: str = ""
    ) -> control_pb.RejectResponse:
        """Answer a waiting approval with no."""
        request = control_pb.RejectRequest(
            execution_id=execution_id, step_name=step, reason=reason, decided_by=decided_by
        )
        return await _call(self._control.reject(request, _HERE))

    async def cancel(
        self, execution_id: str, *, reason: str = "", cancelled_by: str = "", cleanup_ms: int = 0
    ) -> control_pb.CancelResponse:
        """Ask an execution to end."""
        request = control_pb.CancelRequest(
            execution_id=execution_id, reason=reason, cancelled_by=cancelled_by, cleanup_ms=cleanup_ms
        )
        return await _call(self._control.cancel(request, _HERE))


async def _frames(frames: AsyncGenerator[_T, None]) -> AsyncGenerator[_T, None]:
    try:
        async with aclosing(frames):
            async for frame in frames:
                yield frame
    except RpcError as error:
        raise client_error(error, "this process") from None


async def _call(answer: Awaitable[_T]) -> _T:
    try:
        return await answer
    except RpcError as error:
        raise client_error(error, "this process") from None
