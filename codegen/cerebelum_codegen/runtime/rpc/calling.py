"""One call, on the side of the caller: from its first header to its status."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self

from grpclib.exceptions import StreamTerminatedError
from grpclib.protocol import Stream
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from cerebelum_codegen.runtime.errors import DecodeError
from cerebelum_codegen.runtime.rpc import headers as h
from cerebelum_codegen.runtime.rpc.channel import Channel
from cerebelum_codegen.runtime.rpc.connection import Link
from cerebelum_codegen.runtime.rpc.context import RequestContext
from cerebelum_codegen.runtime.rpc.deadline import format_timeout
from cerebelum_codegen.runtime.rpc.errors import RpcError, StatusCode
from cerebelum_codegen.runtime.rpc.framing import read_message
from cerebelum_codegen.runtime.rpc.interrupt import Interrupt
from cerebelum_codegen.runtime.rpc.method import Method, Request, Response

USER_AGENT = "cerebelum-python"


class ClientCall(Generic[Request, Response]):
    """A call on a connection. Everything that goes wrong with it is an `RpcError`."""

    def __init__(
        self,
        link: Link,
        method: Method[Request, Response],
        context: RequestContext,
        channel: Channel,
    ) -> None:
        self._link = link
        self._method = method
        self._context = context
        self._channel = channel
        self._interrupt = _Unanswered()
        self._stream = self._interrupt.stream = link.connection.create_stream(wrapper=self._interrupt)  # type: ignore[arg-type]  # it is called as `cancel` only
        self._timer: asyncio.TimerHandle | None = None
        self._encoding = ""
        self._release: Callable[[], None] | None = None

    async def __aenter__(self) -> Self:
        """Begin the call; at the end of this block the server hears that nobody listens any more."""
        deadline = self._context.deadline
        if deadline is not None:
            late = too_late(self._method.route)
            self._timer = asyncio.get_running_loop().call_at(deadline.at_s, self._interrupt.cancel, late)
        self._context.peer = self._link.handler.peer
        try:
            with self._interrupt:
                self._release = await self._stream.send_request(self._headers(), _processor=self._link.processor)
        except BaseException:
            self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    async def send(self, data: bytes, *, end: bool = False) -> None:
        """Send a message that is framed already. A server that has answered takes no more, and that is no fault."""
        with self._interrupt:
            await self._stream.send_data(data, end_stream=end)

    async def end(self) -> None:
        """Say that no message follows."""
        with self._interrupt:
            if self._stream.closable:
                await self._stream.end()

    def fail(self, error: Exception) -> None:
        """End it with an error of this side."""
        self._interrupt.cancel(error)

    async def receive(self) -> Response | None:
        """The next message; None when the server ended the call well.

        Raises:
            RpcError: the call failed.
        """
        with self._interrupt:
            if not self._encoding:
                await self._receive_headers()
            data = await read_message(self._stream, self._encoding, self._channel.max_message_bytes)
        if data is None:
            self._end()
            return None
        try:
            return self._method.response.from_bytes(data)
        except DecodeError as error:
            raise RpcError(StatusCode.INTERNAL, f"the answer cannot be read: {error}") from None

    def _headers(self) -> h.Headers:
        headers = [
            (":method", "POST"),
            (":scheme", self._channel.scheme),
            (":path", self._method.route),
            (":authority", self._channel.authority),
            ("te", "trailers"),
            ("content-type", h.CONTENT_TYPE),
            ("user-agent", USER_AGENT),
        ]
        if self._context.deadline is not None:
            headers.append(("grpc-timeout", format_timeout(self._context.deadline.remaining_s())))
        return headers + h.write_metadata(self._context.metadata)

    async def _receive_headers(self) -> None:
        headers = await self._stream.recv_headers()
        found = dict(headers)
        h.check_answer(found)
        self._encoding = found.get("grpc-encoding", "identity")
        if "grpc-status" not in found:
            self._context.response_metadata.initial.extend(h.read_metadata(headers))

    def _end(self) -> None:
        """Take the status. A call that has nothing to say beside it says it in its first headers."""
        last = self._stream.trailers or self._stream.headers or []
        self._context.response_metadata.trailing.extend(h.read_metadata(last))
        error = h.read_status(last)
        if error is not None:
            raise error

    def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._release is None:
            return
        if self._stream.closable:
            self._stream.reset_nowait(ErrorCodes.CANCEL)
        self._release()
        self._stream.wrapper = None  # they hold each other, and would wait for the garbage collector


class _Unanswered(Interrupt):
    """Wakes nobody once the answer is there: what has arrived can be read, also when the connection is gone."""

    stream: Stream

    def cancel(self, reason: Exception) -> None:
        """Wake those who wait, in our words."""
        if not self._answered:
            super().cancel(_lost(reason) if isinstance(reason, StreamTerminatedError) else reason)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Raise what it was woken with. What cannot be sent any more, because the answer is there, is no fault."""
        super().__exit__(kind, error, trace)
        if not isinstance(error, ProtocolError):
            return False
        if not self._answered:
            raise _lost(error) from None
        return True

    @property
    def _answered(self) -> bool:
        headers = self.stream.headers
        return self.stream.trailers is not None or (headers is not None and "grpc-status" in dict(headers))


def too_late(route: str) -> RpcError:
    """A deadline that has passed."""
    return RpcError(StatusCode.DEADLINE_EXCEEDED, f"{route} took longer than allowed")


def _lost(error: Exception) -> RpcError:
    return RpcError(StatusCode.UNAVAILABLE, f"the connection was lost ({error})")
