"""One call, on the side of the caller: from its first header to its status."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Generic

from grpclib.exceptions import StreamTerminatedError
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from cerebelum_codegen.runtime.errors import DecodeError
from cerebelum_codegen.runtime.rpc import headers as h
from cerebelum_codegen.runtime.rpc.channel import Channel
from cerebelum_codegen.runtime.rpc.connection import Interrupt, Link
from cerebelum_codegen.runtime.rpc.context import RequestContext
from cerebelum_codegen.runtime.rpc.deadline import format_timeout
from cerebelum_codegen.runtime.rpc.errors import RpcError, StatusCode
from cerebelum_codegen.runtime.rpc.framing import ENCODINGS, read_message
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
        self._interrupt = _Unanswered(self._is_answered)
        self._stream = link.connection.create_stream(wrapper=self._interrupt)  # type: ignore[arg-type]  # it is called as `cancel` only
        self._encoding = ""
        self._release: Callable[[], None] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Begin the call; at the end of this block the server hears that nobody listens any more."""
        deadline, timer = self._context.deadline, None
        if deadline is not None:
            late = too_late(self._method.route)
            timer = asyncio.get_running_loop().call_at(deadline.at_s, self._interrupt.cancel, late)
        try:
            with self._translated():
                self._release = await self._stream.send_request(self._headers(), _processor=self._link.processor)
                self._context.peer = _address(self._link)
            yield
        finally:
            if timer is not None:
                timer.cancel()
            self._close()

    async def send(self, data: bytes, *, end: bool = False) -> None:
        """Send a message that is framed already. A server that has answered takes no more, and that is no fault."""
        with self._translated():
            await self._stream.send_data(data, end_stream=end)

    async def end(self) -> None:
        """Say that no message follows."""
        with self._translated():
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
        with self._translated():
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
            ("grpc-accept-encoding", ",".join(ENCODINGS)),
        ]
        if self._context.deadline is not None:
            headers.append(("grpc-timeout", format_timeout(self._context.deadline.remaining_s())))
        return headers + h.write_metadata(self._context.metadata)

    async def _receive_headers(self) -> None:
        headers = await self._stream.recv_headers()
        h.check_answer(headers)
        found = dict(headers)
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

    def _is_answered(self) -> bool:
        headers = self._stream.headers
        return self._stream.trailers is not None or (headers is not None and "grpc-status" in dict(headers))

    def _close(self) -> None:
        if self._release is None:
            return
        if self._stream.closable:
            self._stream.reset_nowait(ErrorCodes.CANCEL)
        self._release()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            with self._interrupt:
                yield
        except StreamTerminatedError as error:
            raise RpcError(StatusCode.UNAVAILABLE, f"the connection was lost ({error})") from None
        except ProtocolError as error:
            if not self._is_answered():
                raise RpcError(StatusCode.UNAVAILABLE, f"the connection was lost ({error})") from None


class _Unanswered(Interrupt):
    """Wakes nobody once the answer is there: what has arrived can be read, also when the connection is gone."""

    def __init__(self, answered: Callable[[], bool]) -> None:
        super().__init__()
        self._answered = answered

    def cancel(self, reason: Exception) -> None:
        if not self._answered():
            super().cancel(reason)


def too_late(route: str) -> RpcError:
    """A deadline that has passed."""
    return RpcError(StatusCode.DEADLINE_EXCEEDED, f"{route} took longer than allowed")


def _address(link: Link) -> str:
    address = link.connection.get_peer().addr()
    return f"{address[0]}:{address[1]}" if address else ""
