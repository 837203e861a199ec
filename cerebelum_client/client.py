"""A thin, typed, asynchronous client of one Core: the generated stubs with retries and one kind of error."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self, TypeVar
from uuid import UUID

from cerebelum_client.address import core_address, core_tls
from cerebelum_client.backoff import Backoff
from cerebelum_client.errors import ClientError, CoreUnavailable, client_error
from cerebelum_client.lifecycle import Lifecycle
from cerebelum_codegen.runtime.rpc import MAX_MESSAGE_BYTES, Channel, Keepalive, RpcError
from cerebelum_proto.control.v1 import control_pb
from cerebelum_proto.control.v1.control_grpc import ControlServiceStub
from cerebelum_proto.control.v1.lifecycle_grpc import LifecycleServiceStub
from cerebelum_proto.events.v1.events_pb import Event
from cerebelum_proto.stream.v1 import stream_pb
from cerebelum_proto.stream.v1.stream_grpc import StreamServiceStub
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker import worker_service_pb as pb
from cerebelum_proto.worker.worker_service_grpc import WorkerServiceStub

_T = TypeVar("_T")
CALL_S = 10.0
"""How long one call may take."""
RETRY_S = 10.0
"""How long a safe call is tried again while the Core does not answer."""
_POLL_GRACE_S = 5.0
_WAIT_MS = 20_000


def new_execution_id() -> str:
    """A new id that sorts by time: a UUID of version 7."""
    number = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    number = number & ~(0xF << 76) | 0x7 << 76
    return str(UUID(int=number & ~(0x3 << 62) | 0x2 << 62))


def execute_request(
    workflow: str,
    inputs: Payload,
    *,
    execution_id: str = "",
    workflow_hash: str = "",
    correlation_id: str = "",
    tags: Sequence[str] = (),
    timeout_ms: int = 0,
) -> pb.ExecuteRequest:
    """A request to start an execution; the id is chosen here when none is given, so that it is safe to repeat."""
    return pb.ExecuteRequest(
        workflow_module=workflow,
        exact_inputs=inputs,
        workflow_hash=workflow_hash,
        options=pb.ExecutionOptions(
            execution_id=execution_id or new_execution_id(),
            correlation_id=correlation_id,
            tags=list(tags),
            timeout_ms=timeout_ms,
        ),
    )


def status_in(response: stream_pb.AwaitResultResponse) -> pb.ExecutionStatus:
    """The status that a Core answered."""
    return response.status or pb.ExecutionStatus()


class CerebelumClient:
    """Talks to a Core over one connection, which opens with the first call and again after it was lost.

    A caller with hundreds of calls at once spreads them over several: HTTP/2 in Python looks at every open call of a
    connection when one more begins.

    Calls that are safe to repeat are repeated with growing pauses while the Core does not answer. Every failure is
    a `ClientError`.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        call_s: float = CALL_S,
        retry_s: float = RETRY_S,
        backoff: Backoff | None = None,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        tls_ca: str | None = None,
        connections: int = 1,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Prepare a client; nothing is opened yet. `address` defaults to CEREBELUM_URL, then to localhost:50051.

        `tls_ca` is a file of certificates to check the Core's by, or `system`; it defaults to CEREBELUM_TLS_CA, and
        without either the connection is plain text.

        Raises:
            AddressError: the address is no HOST:PORT, or the certificates cannot be read.
        """
        self.address = core_address(address)
        self._call_s = call_s
        self._retry_s = retry_s
        self._backoff = backoff or Backoff()
        self._chance = chance
        self._channel = Channel(
            self.address.host,
            self.address.port,
            max_message_bytes=max_message_bytes,
            keepalive=Keepalive(after_s=30.0, timeout_s=10.0),
            connections=connections,
            tls=core_tls(tls_ca),
        )
        self._worker = WorkerServiceStub(self._channel)
        self._stream = StreamServiceStub(self._channel)
        self._control = ControlServiceStub(self._channel)
        self.lifecycle = Lifecycle(LifecycleServiceStub(self._channel), self._once, self._call_s)
        """Terminates, pauses, resumes, redrives, retries, forks and migrates executions."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    # -- executions --------------------------------------------------------------------------

    async def submit_blueprint(self, blueprint: pb.Blueprint) -> pb.BlueprintValidation:
        """Have a blueprint validated and kept."""
        return await self._safe(lambda: self._worker.submit_blueprint(blueprint, timeout_s=self._call_s))

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
        """Start an execution, of this blueprint or of the workflow's newest.

        Safe to repeat: the id is chosen here when none is given, and the same id and inputs are the same execution.
        """
        request = execute_request(
            workflow,
            inputs,
            execution_id=execution_id,
            workflow_hash=workflow_hash,
            correlation_id=correlation_id,
            tags=tags,
            timeout_ms=timeout_ms,
        )
        return await self._safe(lambda: self._worker.execute_workflow(request, timeout_s=self._call_s))

    async def await_result(
        self, execution_id: str = "", *, start: pb.ExecuteRequest | None = None
    ) -> pb.ExecutionStatus:
        """Start an execution, or find one, and wait for its end, but no longer than half a minute.

        What comes back is where it stands, with its result when it has ended. Safe to repeat.
        """
        request = stream_pb.AwaitResultRequest(execution_id=execution_id, start=start, timeout_ms=_WAIT_MS)
        timeout_s = _WAIT_MS / 1000 + self._call_s
        return status_in(await self._safe(lambda: self._stream.await_result(request, timeout_s=timeout_s)))

    async def execute(
        self, requests: AsyncIterator[stream_pb.ExecuteRequest]
    ) -> AsyncGenerator[stream_pb.ExecuteResponse, None]:
        """Start many executions over one stream and hear of the end of each. One try."""
        async for frame in self._frames(self._stream.execute(requests)):
            yield frame

    async def status(self, execution_id: str) -> pb.ExecutionStatus:
        """Where an execution stands."""
        request = pb.GetExecutionStatusRequest(execution_id=execution_id)
        return await self._safe(lambda: self._worker.get_execution_status(request, timeout_s=self._call_s))

    async def executions(self, request: pb.ListExecutionsRequest | None = None) -> pb.ListExecutionsResponse:
        """Executions, newest first."""
        wanted = request or pb.ListExecutionsRequest()
        return await self._safe(lambda: self._worker.list_executions(wanted, timeout_s=self._call_s))

    async def history(self, execution_id: str, *, after_version: int = 0, follow: bool = False) -> AsyncIterator[Event]:
        """The events of an execution; with `follow`, also those to come until it has ended.

        A lost connection is taken up again after the last event seen, for as long as retries last.
        """
        pauses, since = self._backoff.pauses(self._chance), time.monotonic()
        while True:
            request = control_pb.GetHistoryRequest(
                execution_id=execution_id, after_version=after_version, follow=follow
            )
            try:
                async for response in self._control.get_history(request):
                    if response.event is not None:
                        after_version, since = response.event.version, time.monotonic()
                        pauses = self._backoff.pauses(self._chance)
                        yield response.event
                return
            except RpcError as error:
                await self._pause_or_raise(error, next(pauses), since)

    # -- people ------------------------------------------------------------------------------

    async def approve(
        self, execution_id: str, *, response: Payload | None = None, decided_by: str = "", step: str = ""
    ) -> control_pb.ApproveResponse:
        """Answer a waiting approval with yes. `step` may stay empty while only one waits."""
        request = control_pb.ApproveRequest(
            execution_id=execution_id, step_name=step, response=response, decided_by=decided_by
        )
        return await self._once(lambda: self._control.approve(request, timeout_s=self._call_s))

    async def reject(
        self, execution_id: str, *, reason: str = "", decided_by: str = "", step: str = ""
    ) -> control_pb.RejectResponse:
        """Answer a waiting approval with no."""
        request = control_pb.RejectRequest(
            execution_id=execution_id, step_name=step, reason=reason, decided_by=decided_by
        )
        return await self._once(lambda: self._control.reject(request, timeout_s=self._call_s))

    async def cancel(
        self, execution_id: str, *, reason: str = "", cancelled_by: str = "", cleanup_ms: int = 0
    ) -> control_pb.CancelResponse:
        """Ask an execution to end. Steps that run are told, and may take `cleanup_ms` (0: 30 seconds) to clean up."""
        request = control_pb.CancelRequest(
            execution_id=execution_id, reason=reason, cancelled_by=cancelled_by, cleanup_ms=cleanup_ms
        )
        return await self._once(lambda: self._control.cancel(request, timeout_s=self._call_s))

    async def server_info(self) -> control_pb.GetServerInfoResponse:
        """Who answers."""
        request = control_pb.GetServerInfoRequest()
        return await self._safe(lambda: self._control.get_server_info(request, timeout_s=self._call_s))

    # -- workers: one try each, since a worker has its own idea of trying again -------------------

    async def register(self, request: pb.RegisterRequest) -> pb.RegisterResponse:
        """Announce a worker."""
        return await self._once(lambda: self._worker.register(request, timeout_s=self._call_s))

    async def unregister(self, worker_id: str, reason: str = "") -> None:
        """Take a worker's leave."""
        request = pb.UnregisterRequest(worker_id=worker_id, reason=reason)
        await self._once(lambda: self._worker.unregister(request, timeout_s=self._call_s))

    async def heartbeat(self, request: pb.HeartbeatRequest) -> pb.HeartbeatResponse:
        """Keep a worker's leases."""
        return await self._once(lambda: self._worker.heartbeat(request, timeout_s=self._call_s))

    async def poll(self, worker_id: str, timeout_ms: int) -> pb.Task:
        """Wait for a task; an empty one means that there was none."""
        request = pb.PollRequest(worker_id=worker_id, timeout_ms=timeout_ms)
        timeout_s = timeout_ms / 1000 + _POLL_GRACE_S
        return await self._once(lambda: self._worker.poll_for_task(request, timeout_s=timeout_s))

    async def submit_result(self, result: pb.TaskResult) -> pb.Ack:
        """Hand in what became of a task."""
        return await self._once(lambda: self._worker.submit_result(result, timeout_s=self._call_s))

    async def work(
        self, requests: AsyncIterator[stream_pb.WorkRequest]
    ) -> AsyncGenerator[stream_pb.WorkResponse, None]:
        """A worker's whole session over one stream."""
        async for frame in self._frames(self._stream.work(requests)):
            yield frame

    async def record_memo(self, request: pb.MemoRequest) -> pb.MemoResponse:
        """Keep a value of a running step."""
        return await self._once(lambda: self._worker.record_memo(request, timeout_s=self._call_s))

    # -- calls -------------------------------------------------------------------------------

    async def _once(self, call: Callable[[], Awaitable[_T]]) -> _T:
        try:
            return await call()
        except RpcError as error:
            raise client_error(error, str(self.address)) from None
        except ValueError as error:
            raise ClientError(str(error)) from None

    async def _frames(self, frames: AsyncIterator[_T]) -> AsyncIterator[_T]:
        try:
            async for frame in frames:
                yield frame
        except RpcError as error:
            raise client_error(error, str(self.address)) from None
        except ValueError as error:
            raise ClientError(str(error)) from None

    async def _safe(self, call: Callable[[], Awaitable[_T]]) -> _T:
        since = time.monotonic()
        for pause_s in self._backoff.pauses(self._chance):
            try:
                return await call()
            except RpcError as error:
                await self._pause_or_raise(error, pause_s, since)
        raise AssertionError("pauses never end")

    async def _pause_or_raise(self, error: RpcError, pause_s: float, since: float) -> None:
        failure = client_error(error, str(self.address))
        if not isinstance(failure, CoreUnavailable) or time.monotonic() - since + pause_s > self._retry_s:
            raise failure from None
        await asyncio.sleep(pause_s)
