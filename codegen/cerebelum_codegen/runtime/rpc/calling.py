"""One call, on the side of the caller: from its first header to its status."""

from __future__ import annotations

import asyncio
from typing import Generic

from cerebelum_codegen.runtime.errors import DecodeError
from cerebelum_codegen.runtime.http2.codes import ErrorCode, error_name
from cerebelum_codegen.runtime.http2.connection import Connection
from cerebelum_codegen.runtime.http2.fields import write_field
from cerebelum_codegen.runtime.rpc import headers as h
from cerebelum_codegen.runtime.rpc.context import RequestContext
from cerebelum_codegen.runtime.rpc.deadline import format_timeout
from cerebelum_codegen.runtime.rpc.errors import RpcError, StatusCode, Unprocessed
from cerebelum_codegen.runtime.rpc.exchange import Exchange
from cerebelum_codegen.runtime.rpc.method import Method, Request, Response

_RESETS = {
    int(ErrorCode.CANCEL): StatusCode.CANCELLED,
    int(ErrorCode.ENHANCE_YOUR_CALM): StatusCode.RESOURCE_EXHAUSTED,
    int(ErrorCode.INADEQUATE_SECURITY): StatusCode.PERMISSION_DENIED,
}


class ClientCall(Exchange, Generic[Request, Response]):
    """A call on a connection that has a place for it. Everything that goes wrong with it is an `RpcError`."""

    def __init__(
        self,
        connection: Connection,
        method: Method[Request, Response],
        context: RequestContext,
        *,
        block: bytes,
        most: int,
    ) -> None:
        """Send the headers of a call, which begin with `block`. An answer may have `most` bytes.

        Raises:
            RpcError: its time is over already.
            ValueError: its metadata cannot travel.
        """
        deadline = context.deadline
        if deadline is not None:
            remaining_s = deadline.remaining_s()
            if not remaining_s:
                raise too_late(method.route)
            block += write_field("grpc-timeout", format_timeout(remaining_s))
        if context.metadata:
            block += h.write_metadata(context.metadata)
        super().__init__(connection, connection.open())
        self._method = method
        self._context = context
        self._most = most
        self._encoding = ""
        self._timer: asyncio.TimerHandle | None = None
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline.at_s, self._late)
        self.stream.owner = self
        connection.headers(self.stream, block, False)

    def close(self) -> None:
        """The end of the call: a server that is not done hears that nobody listens any more."""
        if self._timer is not None:
            self._timer.cancel()
        self.release(ErrorCode.CANCEL)

    async def end(self) -> None:
        """Say that no message follows."""
        await self.send(b"", end=True)

    async def receive(self) -> Response | None:
        """The next message; None when the server ended the call well.

        Raises:
            RpcError: the call failed.
        """
        if not self._encoding:
            await self._receive_headers()
        data = await self.message(self._encoding, self._most)
        if data is None:
            self._finish()
            return None
        try:
            return self._method.response.from_bytes(data)
        except DecodeError as error:
            raise RpcError(StatusCode.INTERNAL, f"the answer cannot be read: {error}") from None

    # -- what happens to it ------------------------------------------------------------------

    def broken(self, code: int) -> None:
        """The server has reset it."""
        self.fail(_reset_error(code))

    def lose(self, reason: str) -> None:
        """The connection has ended."""
        self.fail(RpcError(StatusCode.UNAVAILABLE, f"the connection was lost ({reason})"))

    def fail(self, fault: Exception) -> None:
        """End it with an error; but what has arrived of a whole answer can be read, whatever comes after."""
        if self._answered:
            self.widened()
        else:
            super().fail(fault)

    @property
    def _answered(self) -> bool:
        first = self.stream.first
        return self.stream.last is not None or (first is not None and "grpc-status" in first.found)

    def _late(self) -> None:
        self.fail(too_late(self._method.route))

    async def _receive_headers(self) -> None:
        while self.stream.first is None:
            await self.changed()
        found = self.stream.first.found
        h.check_answer(found)
        self._encoding = found.get("grpc-encoding", "identity")
        if "grpc-status" not in found:
            self._context.response_metadata.initial.extend(h.read_metadata(self.stream.first))

    def _finish(self) -> None:
        """Take the status. A call that has nothing to say beside it says it in its first headers."""
        last = self.stream.last or self.stream.first
        if last is not None:
            self._context.response_metadata.trailing.extend(h.read_metadata(last))
            error = h.read_status(last.found)
            if error is not None:
                raise error


def too_late(route: str) -> RpcError:
    """A deadline that has passed."""
    return RpcError(StatusCode.DEADLINE_EXCEEDED, f"{route} took longer than allowed")


def _reset_error(code: int) -> RpcError:
    if code == ErrorCode.REFUSED_STREAM:
        return Unprocessed("the server has no room for another call on this connection")
    return RpcError(_RESETS.get(code, StatusCode.INTERNAL), f"the peer reset the call ({error_name(code)})")
