"""Many executions over one stream: what is started together goes in one frame, and so do the results.

The stream may break: what has not ended is asked for again on the next one, under the same ids.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol, Unpack

from cerebelum.code import Code
from cerebelum.handle import ExecutionHandle
from cerebelum.options import StartOptions
from cerebelum.results import ExecutionResult, result_of
from cerebelum.workflow import Workflow, code_of
from cerebelum_client import Core, CoreUnavailable
from cerebelum_client.errors import client_error
from cerebelum_codegen.runtime.rpc import MAX_MESSAGE_BYTES, RpcError, StatusCode
from cerebelum_proto.stream.v1 import stream_pb
from cerebelum_proto.worker import worker_service_pb as pb

_RETRY_S = 0.5
_FRAME_STARTS = 250
_FRAME_BYTES = 1024 * 1024
"""Of inputs: a further start goes into the next frame."""
_LARGEST_BYTES = MAX_MESSAGE_BYTES - 64 * 1024
"""Of the inputs of one start. A Core that takes no larger message would end the stream over it, for all others too."""


class Requests(Protocol):
    """Makes the request that starts an execution."""

    def __call__(
        self,
        workflow: Workflow | str,
        inputs: object = None,
        **options: Unpack[StartOptions],
    ) -> Awaitable[pb.ExecuteRequest]:
        """The request."""


@dataclass(slots=True, eq=False)
class _Asked:
    request: pb.ExecuteRequest
    code: Code
    answer: asyncio.Future[ExecutionResult]

    def tell(self, status: pb.ExecutionStatus) -> None:
        """What became of it. An output that cannot be read is an error of this one alone."""
        try:
            result = result_of(status, self.code)
        except Exception as error:
            self.answer.set_exception(error)
        else:
            self.answer.set_result(result)


class ExecutionStream:
    """Starts executions and waits for their ends. Made by `DistributedExecutor.stream()`."""

    def __init__(self, core: Core, request: Requests) -> None:
        self._core = core
        self._request = request
        self._unsent: list[_Asked] = []
        self._sent: dict[int, _Asked] = {}
        self._put_off: deque[_Asked] = deque()
        """What the Core could not start just now. It is asked for again after a while."""
        self._number = 0
        self._closed = False
        self._changed = asyncio.Event()
        self._talking: asyncio.Task[None] | None = None

    async def execute(
        self,
        workflow: Workflow | str,
        inputs: object = None,
        **options: Unpack[StartOptions],
    ) -> ExecutionResult:
        """Start an execution and wait for its end, however often the Core is started again meanwhile.

        Raises:
            ClientError: it cannot be started; see `DistributedExecutor.submit`.
        """
        request = await self._request(workflow, inputs, **options)
        if self._closed:
            raise _closed()
        if _bytes_in(request) > _LARGEST_BYTES:
            await self._core.executions.start(request)
            return await ExecutionHandle(self._core, execution_id_in(request), code_of(workflow)).result()
        asked = _Asked(request, code_of(workflow), asyncio.get_running_loop().create_future())
        self._ask(asked)
        if self._talking is None:
            self._talking = asyncio.create_task(self._talk())
        return await asked.answer

    async def close(self) -> None:
        """End the stream. What was started goes on; whoever waits here is told that nobody listens."""
        self._closed = True
        if self._talking is not None:
            self._talking.cancel()
            await asyncio.gather(self._talking, return_exceptions=True)
        self._fail(_closed())

    def _ask(self, asked: _Asked) -> None:
        if not self._unsent:
            self._changed.set()
        self._unsent.append(asked)

    async def _talk(self) -> None:
        while True:
            try:
                async with aclosing(self._core.executions.execute(_Frames(self._frame))) as frames:
                    async for frame in frames:
                        self._hear(frame)
            except CoreUnavailable:
                pass
            except Exception as error:  # also a fault of ours: nobody waits for ever
                self._fail(error)
            await asyncio.sleep(_RETRY_S)
            self._unsent = [*self._sent.values(), *self._unsent]
            self._sent, self._number = {}, 0

    async def _frame(self) -> stream_pb.ExecuteRequest:
        """What is to be started next, once there is something."""
        while not self._unsent:
            self._changed.clear()
            await self._changed.wait()
        starts: list[pb.ExecuteRequest] = []
        size = 0
        for asked in self._unsent[:_FRAME_STARTS]:
            size += _bytes_in(asked.request)
            if starts and size > _FRAME_BYTES:
                break
            self._number += 1
            self._sent[self._number] = asked
            starts.append(asked.request)
        self._unsent = self._unsent[len(starts) :]
        return stream_pb.ExecuteRequest(starts=starts)

    def _hear(self, frame: stream_pb.ExecuteResponse) -> None:
        for end in frame.ends:
            asked = self._sent.pop(end.number)
            if not asked.answer.done():
                asked.tell(end.status or pb.ExecutionStatus())
        for refusal in frame.refusals:
            asked = self._sent.pop(refusal.number)
            error = client_error(RpcError(StatusCode(refusal.code), refusal.message), "the stream's address")
            if isinstance(error, CoreUnavailable):
                self._put_off.append(asked)
                asyncio.get_running_loop().call_later(_RETRY_S, self._ask_again)
            elif not asked.answer.done():
                asked.answer.set_exception(error)

    def _ask_again(self) -> None:
        if self._put_off:  # else they were told meanwhile that nobody listens
            self._ask(self._put_off.popleft())

    def _fail(self, error: Exception) -> None:
        for asked in (*self._sent.values(), *self._unsent, *self._put_off):
            if not asked.answer.done():
                asked.answer.set_exception(error)
        self._sent, self._unsent = {}, []
        self._put_off.clear()


class _Frames:
    """What a stream has to say on one connection."""

    def __init__(self, frame: Callable[[], Awaitable[stream_pb.ExecuteRequest]]) -> None:
        self._frame = frame

    def __aiter__(self) -> AsyncIterator[stream_pb.ExecuteRequest]:
        return self

    async def __anext__(self) -> stream_pb.ExecuteRequest:
        return await self._frame()


def _bytes_in(request: pb.ExecuteRequest) -> int:
    return len(request.exact_inputs.data) if request.exact_inputs is not None else 0


def _closed() -> CoreUnavailable:
    return CoreUnavailable("the stream was closed")


def execution_id_in(request: pb.ExecuteRequest) -> str:
    """The id that a request gives its execution."""
    return request.options.execution_id if request.options else ""
