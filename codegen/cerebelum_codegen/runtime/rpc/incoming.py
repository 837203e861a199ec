"""One call as it arrives at a server, and what is sent back on its stream."""

from __future__ import annotations

import asyncio

from cerebelum_codegen.runtime.http2.codes import ErrorCode
from cerebelum_codegen.runtime.http2.connection import Connection
from cerebelum_codegen.runtime.http2.fields import Fields
from cerebelum_codegen.runtime.http2.stream import Stream
from cerebelum_codegen.runtime.rpc.errors import CallerGone
from cerebelum_codegen.runtime.rpc.exchange import Exchange


class Incoming(Exchange):
    """A call as it arrives."""

    def __init__(self, connection: Connection, stream: Stream, fields: Fields, peer: str) -> None:
        super().__init__(connection, stream)
        self.fields = fields
        self.peer = peer
        self.task: asyncio.Task[None] | None = None
        """What serves it."""

    def broken(self, code: int) -> None:
        """The caller gave up."""
        self.lose("the caller gave up")

    def lose(self, reason: str) -> None:
        """Nobody listens any more."""
        self.fail(CallerGone(reason))
        if self.task is not None:
            self.task.cancel()

    def begin(self, first: bytes) -> None:
        """The headers of the answer."""
        if self.fault is None and not self.stream.closed:
            self.connection.headers(self.stream, first, False)

    async def answer(self, first: bytes, message: bytes, last: bytes, within_s: float) -> None:
        """Headers, one message and the status, in one write while the peer has room for it.

        Raises:
            CallerGone: the peer did not make room in time.
        """
        self.begin(first)
        if len(message) <= self.connection.sendable(self.stream):
            await self.send(message)
        else:
            await self._send_in_time(message, within_s)
        self.end(last)

    async def _send_in_time(self, message: bytes, within_s: float) -> None:
        try:
            async with asyncio.timeout(within_s):
                await self.send(message)
        except TimeoutError:
            self.release(ErrorCode.CANCEL)
            raise CallerGone(f"the answer was not taken within {within_s:g} s") from None

    def end(self, last: bytes) -> None:
        """The status; nothing follows."""
        if self.fault is None and not self.stream.closed:
            self.connection.headers(self.stream, last, True)
            if not self.stream.closed:  # the caller may stop sending what nobody will read
                self.connection.reset(self.stream, ErrorCode.NO_ERROR)
