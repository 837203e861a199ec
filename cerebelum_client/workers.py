"""What a worker says to a Core. One try a call, since a worker has its own idea of trying again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

from cerebelum_client.calls import Calls
from cerebelum_proto.stream.v1 import stream_pb
from cerebelum_proto.stream.v1.stream_grpc import StreamServiceStub
from cerebelum_proto.worker import worker_service_pb as pb
from cerebelum_proto.worker.worker_service_grpc import WorkerServiceStub

_POLL_GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class Workers:
    """Announces workers to one Core, takes tasks for them and hands in what became of those."""

    _worker: WorkerServiceStub
    _stream: StreamServiceStub
    _calls: Calls

    async def register(self, request: pb.RegisterRequest) -> pb.RegisterResponse:
        """Announce a worker."""
        return await self._calls.once(lambda: self._worker.register(request, timeout_s=self._calls.call_s))

    async def unregister(self, worker_id: str, reason: str = "") -> None:
        """Take a worker's leave."""
        request = pb.UnregisterRequest(worker_id=worker_id, reason=reason)
        await self._calls.once(lambda: self._worker.unregister(request, timeout_s=self._calls.call_s))

    async def heartbeat(self, request: pb.HeartbeatRequest) -> pb.HeartbeatResponse:
        """Keep a worker's leases."""
        return await self._calls.once(lambda: self._worker.heartbeat(request, timeout_s=self._calls.call_s))

    async def poll(self, worker_id: str, timeout_ms: int) -> pb.Task:
        """Wait for a task; an empty one means that there was none."""
        request = pb.PollRequest(worker_id=worker_id, timeout_ms=timeout_ms)
        timeout_s = timeout_ms / 1000 + _POLL_GRACE_S
        return await self._calls.once(lambda: self._worker.poll_for_task(request, timeout_s=timeout_s))

    async def submit_result(self, result: pb.TaskResult) -> pb.Ack:
        """Hand in what became of a task."""
        return await self._calls.once(lambda: self._worker.submit_result(result, timeout_s=self._calls.call_s))

    async def record_memo(self, request: pb.MemoRequest) -> pb.MemoResponse:
        """Keep a value of a running step."""
        return await self._calls.once(lambda: self._worker.record_memo(request, timeout_s=self._calls.call_s))

    async def work(
        self, requests: AsyncIterator[stream_pb.WorkRequest]
    ) -> AsyncGenerator[stream_pb.WorkResponse, None]:
        """Do all of that over one stream.

        Raises:
            Unsupported: the Core has no streams.
        """
        async with aclosing(self._calls.each(self._stream.work(requests))) as frames:
            async for frame in frames:
                yield frame
