"""One caller's stream: executions are started as they come, and the end of each is told by its number."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from cerebelum_codegen.runtime.rpc import RpcError, StatusCode
from cerebelum_core.edges.handouts import MOST_BYTES, bytes_in
from cerebelum_core.edges.outbox import Outbox
from cerebelum_core.edges.refusals import refusal_of, refused
from cerebelum_core.edges.starts import Starts
from cerebelum_core.endings import Endings
from cerebelum_core.errors import CoreError
from cerebelum_core.execution import Answer
from cerebelum_core.registry import Registry
from cerebelum_engine import Rejected, State, conclusion_of
from cerebelum_proto.stream.v1 import stream_pb as pb
from cerebelum_proto.worker.worker_service_pb import ExecuteRequest, ExecutionStatus

FRAME_ITEMS = 250
FRAME_BYTES = 1024 * 1024

_Item: TypeAlias = pb.ExecutionEnd | pb.StartRefusal
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Awaited:
    """An execution whose end is to be told, once it is clear that it is the one that was to be started."""

    execution_id: str
    on_end: Callable[[State], None]
    accepted: bool = False
    ended: State | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class ExecuteSession:
    """Executions that one caller has started on one stream and that have not ended."""

    registry: Registry
    endings: Endings
    starts: Starts
    _number: int = 0
    _awaited: dict[int, _Awaited] = field(default_factory=dict)
    _outbox: Outbox[_Item] = field(default_factory=Outbox)
    _all_started: bool = False

    async def start(self, request: ExecuteRequest) -> None:
        """Start one more. Its end, or why it is not started, is told later."""
        self._number += 1
        number = self._number
        try:
            command, blueprint = await self.starts.read(request)
            on_end = partial(self._ended, number)
            self._awaited[number] = _Awaited(command.execution_id, on_end)
            self.endings.wait(command.execution_id, on_end)
            self.registry.post_begin(command, blueprint, partial(self._replied, number))
        except RpcError as error:
            self._refuse(number, error)
        except CoreError as failure:
            self._refuse(number, _status_of(failure))

    def close(self) -> None:
        """Say what is left, and end."""
        self._outbox.close()

    def finish(self) -> None:
        """No more will be started: end with the last of them."""
        self._all_started = True
        self._end_with_the_last()

    def _end_with_the_last(self) -> None:
        if self._all_started and not self._awaited:
            self.close()

    def forget(self) -> None:
        """Nobody listens any more."""
        for each in self._awaited.values():
            self.endings.forget(each.execution_id, each.on_end)
        self._awaited.clear()

    def _replied(self, number: int, answer: Answer | Exception) -> None:
        if isinstance(answer, Rejected):
            self._refuse(number, refused(answer))
        elif isinstance(answer, Exception):
            self._refuse(number, _status_of(answer))
        elif (awaited := self._awaited.get(number)) is not None:
            awaited.accepted = True
            ended = awaited.ended or (answer.state if answer.state.ended else None)
            if ended is not None:
                self._ended(number, ended)

    def _ended(self, number: int, state: State) -> None:
        awaited = self._awaited[number]
        if not awaited.accepted:
            awaited.ended = state
            return
        self._forget(number)
        status = conclusion_of(state)
        if (size := _size(status)) > MOST_BYTES:
            told = f"the results of execution {state.execution_id!r} have {size} bytes together"
            self._refuse(number, RpcError(StatusCode.RESOURCE_EXHAUSTED, f"{told}; {MOST_BYTES} is the most"))
            return
        self._outbox.put(pb.ExecutionEnd(number=number, status=status))
        self._end_with_the_last()

    def _refuse(self, number: int, error: RpcError) -> None:
        self._forget(number)
        self._outbox.put(pb.StartRefusal(number=number, code=error.code.value, message=error.message))
        self._end_with_the_last()

    def _forget(self, number: int) -> None:
        awaited = self._awaited.pop(number, None)
        if awaited is not None:
            self.endings.forget(awaited.execution_id, awaited.on_end)

    async def frame(self) -> pb.ExecuteResponse | None:
        """The next frame, once there is something to say; None when the session is closed."""
        if not await self._outbox.filled():
            return None
        frame, count, size = pb.ExecuteResponse(), 0, 0
        while count < FRAME_ITEMS and size < FRAME_BYTES and (item := self._outbox.take()) is not None:
            count += 1
            if isinstance(item, pb.StartRefusal):
                frame.refusals.append(item)
            else:
                frame.ends.append(item)
                size += _size(item.status) if item.status is not None else 0
        return frame


def _size(status: ExecutionStatus) -> int:
    size = 0
    for payload in status.outputs.values():
        size += bytes_in(payload)
    return size


def _status_of(error: Exception) -> RpcError:
    refusal = refusal_of(error)
    if refusal is None:
        _log.error("an execution cannot be started", exc_info=error)
        return RpcError(StatusCode.INTERNAL, "the server failed; its log tells why")
    return refusal
