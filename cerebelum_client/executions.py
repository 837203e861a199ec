"""Executions of one Core: they are started, sent signals, waited for, looked at and listed."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

from cerebelum_client.calls import Calls
from cerebelum_client.markers import milliseconds
from cerebelum_client.plain import check_texts
from cerebelum_codegen.runtime.rpc import RpcError
from cerebelum_codegen.runtime.rpc.iterating import each_of
from cerebelum_proto.control.v1 import control_pb
from cerebelum_proto.control.v1.control_grpc import ControlServiceStub
from cerebelum_proto.events.v1.events_pb import Event, ExecutionCancelled, ExecutionCompleted, ExecutionFailed
from cerebelum_proto.stream.v1 import stream_pb
from cerebelum_proto.stream.v1.stream_grpc import StreamServiceStub
from cerebelum_proto.types.v1.types_pb import Payload, RetryPolicy
from cerebelum_proto.worker import worker_service_pb as pb
from cerebelum_proto.worker.worker_service_grpc import WorkerServiceStub

_WAIT_MS = 20_000
_MOST_MS = 2**31 - 1
"""The longest limit that the deployed contract has room for."""
_ENDS = (ExecutionCompleted, ExecutionFailed, ExecutionCancelled)


def new_execution_id() -> str:
    """A new id that sorts by time: a UUID of version 7."""
    return _uuid7()


def _uuid7() -> str:
    number = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10))
    number = number & ~(0xF << 76) | 0x7 << 76
    digits = f"{number & ~(0x3 << 62) | 0x2 << 62:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def execute_request(
    workflow: str,
    inputs: Payload,
    *,
    execution_id: str = "",
    workflow_hash: str = "",
    correlation_id: str = "",
    tags: Sequence[str] = (),
    timeout_ms: int = 0,
    queue: str = "",
    retries: Mapping[str, RetryPolicy] | None = None,
) -> pb.ExecuteRequest:
    """A request to start an execution, of this blueprint or of the workflow's newest.

    The id is chosen here when none is given, so that the request is safe to repeat: the same id and inputs are the
    same execution.

    Raises:
        TypeError, ValueError: the tags are no list or one text, or one of the texts is none that can travel.
    """
    if not isinstance(tags, Iterable):
        raise TypeError(f"tags is {tags!r}: give a list of texts")
    if isinstance(tags, str):
        raise TypeError(f"tags is the text {tags!r}, whose letters would be the tags: give a list, as in [{tags!r}]")
    check_texts("an execution", workflow=workflow)
    told = list(tags)  # once: what is gone through twice may be empty then
    for tag in told:
        check_texts("an execution", tag=tag)
    return pb.ExecuteRequest(
        workflow_module=workflow,
        exact_inputs=inputs,
        workflow_hash=workflow_hash,
        options=pb.ExecutionOptions(
            execution_id=execution_id or new_execution_id(),
            correlation_id=correlation_id,
            tags=told,
            queue=queue,
            retries=dict(retries or {}),
            timeout_ms=timeout_ms if timeout_ms <= _MOST_MS else 0,
            long_timeout_ms=timeout_ms if timeout_ms > _MOST_MS else 0,
        ),
    )


def limit_ms(timeout: timedelta | None) -> int:
    """How long an execution may take, in milliseconds; 0 for no limit.

    Raises:
        ValueError: it is no time at all.
        TypeError: it is no timedelta.
    """
    if timeout is None:
        return 0
    if not (limit := milliseconds(timeout)):
        raise ValueError(f"timeout is {timeout}: give the execution some time, or no timeout")
    return limit


@dataclass(frozen=True, slots=True)
class Executions:
    """Starts executions, sends them signals, waits for them, looks at them and lists them. All is safe to repeat."""

    _worker: WorkerServiceStub
    _stream: StreamServiceStub
    _control: ControlServiceStub
    _calls: Calls

    async def start(self, request: pb.ExecuteRequest) -> pb.ExecutionHandle:
        """Start an execution; `execute_request` makes the request."""
        calls = self._calls
        return await calls.safe(lambda: self._worker.execute_workflow(request, timeout_s=calls.call_s))

    async def signal(
        self, execution_id: str, name: str, payload: Payload | None = None, *, signal_id: str = "", sent_by: str = ""
    ) -> control_pb.SignalResponse:
        """Send an execution a signal. With the same `signal_id` it is the same signal, which counts once.

        The id is chosen here when none is given, so that this call can be repeated while nobody answers.
        """
        request = control_pb.SignalRequest(
            execution_id=execution_id, name=name, payload=payload, signal_id=signal_id or _uuid7(), sent_by=sent_by
        )
        calls = self._calls
        return await calls.safe(lambda: self._control.signal(request, timeout_s=calls.call_s))

    async def await_result(
        self, execution_id: str = "", *, start: pb.ExecuteRequest | None = None
    ) -> pb.ExecutionStatus:
        """Start an execution, or find one, and wait for its end, but no longer than half a minute.

        What comes back is where it stands, with its result when it has ended.

        Raises:
            Unsupported: the Core cannot wait.
        """
        request = stream_pb.AwaitResultRequest(execution_id=execution_id, start=start, timeout_ms=_WAIT_MS)
        timeout_s = _WAIT_MS / 1000 + self._calls.call_s
        response = await self._calls.safe(lambda: self._stream.await_result(request, timeout_s=timeout_s))
        return response.status or pb.ExecutionStatus()

    async def execute(
        self, requests: AsyncIterator[stream_pb.ExecuteRequest]
    ) -> AsyncGenerator[stream_pb.ExecuteResponse, None]:
        """Start many executions over one stream and hear of the end of each. One try.

        Raises:
            Unsupported: the Core has no streams.
        """
        async with aclosing(self._calls.each(self._stream.execute(requests))) as frames:
            async for frame in frames:
                yield frame

    async def status(self, execution_id: str) -> pb.ExecutionStatus:
        """Where an execution stands."""
        request = pb.GetExecutionStatusRequest(execution_id=execution_id)
        calls = self._calls
        return await calls.safe(lambda: self._worker.get_execution_status(request, timeout_s=calls.call_s))

    async def list(self, request: pb.ListExecutionsRequest | None = None) -> pb.ListExecutionsResponse:
        """Executions, newest first."""
        wanted, calls = request or pb.ListExecutionsRequest(), self._calls
        return await calls.safe(lambda: self._worker.list_executions(wanted, timeout_s=calls.call_s))

    async def history(
        self, execution_id: str, *, after_version: int = 0, follow: bool = False
    ) -> AsyncGenerator[Event, None]:
        """The events of an execution; with `follow`, also those to come until it has ended.

        A lost connection is taken up again after the last event seen, for as long as retries last; with `follow`, so
        is a stream that the Core ends although the execution goes on, as it does when it stops.
        """
        pauses, since, last = self._calls.pauses(), time.monotonic(), None
        while True:
            request = control_pb.GetHistoryRequest(
                execution_id=execution_id, after_version=after_version, follow=follow
            )
            try:
                async with aclosing(each_of(self._control.get_history(request))) as responses:
                    async for response in responses:
                        if response.event is not None:
                            last, pauses, since = response.event, self._calls.pauses(), time.monotonic()
                            after_version = last.version
                            yield last
                if not follow or (last is not None and isinstance(last.fact, _ENDS)):
                    return
                await asyncio.sleep(next(pauses))
            except RpcError as error:
                # What is followed may have been silent for long: that is no time in which nobody answered.
                await self._calls.pause_or_raise(error, next(pauses), time.monotonic() if follow else since)
            if follow and await self._is_told(execution_id, after_version):
                return

    async def _is_told(self, execution_id: str, version: int) -> bool:
        """Whether nothing comes after a version. Has the patience of a safe call with a Core that is away."""
        status = await self.status(execution_id)
        return status.completed_at is not None and status.history_length <= version
