"""Messages on one stream, and the waiting for them: for bytes to come, and for room to send.

A message is a flag, a length, the bytes. No length is believed before it is compared. What is not asked for is not
granted anew, so flow control stops a sender that nobody listens to.
"""

from __future__ import annotations

import asyncio

from cerebelum_codegen.runtime.http2.codes import ErrorCode
from cerebelum_codegen.runtime.http2.connection import Connection
from cerebelum_codegen.runtime.http2.stream import Stream
from cerebelum_codegen.runtime.rpc.framing import PREFIX_BYTES, cut_off, too_large, unpacked


class Exchange:
    """One side's view of a call. One task at a time reads, and one sends."""

    def __init__(self, connection: Connection, stream: Stream) -> None:
        self.connection = connection
        self.stream = stream
        self.fault: Exception | None = None
        """Why nothing more can be read or sent."""
        self._granted = 0
        """Of the message that is arriving: how many bytes are granted anew already."""
        self._reader: asyncio.Future[None] | None = None
        self._sender: asyncio.Future[None] | None = None

    # -- what happens to the stream ----------------------------------------------------------

    def arrived(self) -> None:
        """Headers, bytes or the end have come."""
        reader = self._reader
        if reader is not None and not reader.done():
            reader.set_result(None)

    def widened(self) -> None:
        """There may be room to send again."""
        sender = self._sender
        if sender is not None and not sender.done():
            sender.set_result(None)

    def broken(self, code: int) -> None:
        """The peer does not want it any more, or broke the rules with it."""
        raise AssertionError("each side ends a call in its own way")

    def lose(self, reason: str) -> None:
        """The connection has ended."""
        raise AssertionError("each side ends a call in its own way")

    def fail(self, fault: Exception) -> None:
        """End all waiting with an error, now and later."""
        if self.fault is None:
            self.fault = fault
            self.arrived()
            self.widened()

    def release(self, code: ErrorCode) -> None:
        """Let the stream go. Unless it has ended, its peer hears why."""
        stream, connection = self.stream, self.connection
        if not stream.closed:
            connection.reset(stream, code)
        stream.drop()
        stream.owner = None  # they hold each other, and would wait for the garbage collector

    # -- reading -----------------------------------------------------------------------------

    async def changed(self) -> None:
        """Return when something has arrived since the last look.

        Raises:
            Exception: the fault that this ended with.
        """
        if self.fault is None:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        if self.fault is not None:
            raise self.fault

    async def message(self, encoding: str, most: int) -> bytes | None:
        """The next message; None when the peer has said all.

        Raises:
            RpcError: it is larger than `most` bytes, which is seen before any of it is gathered; or it is cut off, or
                packed in a way that cannot be read.
        """
        if self.fault is not None:
            raise self.fault
        while True:
            size = self._announced(most)
            if 0 <= size <= self.stream.waiting - PREFIX_BYTES:
                return self._taken(size, encoding, most)
            if self.stream.ended:
                if self.stream.waiting:
                    raise cut_off()
                return None
            await self.changed()

    def _announced(self, most: int) -> int:
        """The size of the next message; less than nothing while it is not known."""
        stream = self.stream
        if stream.waiting < PREFIX_BYTES:
            return -1
        prefix = stream.peek(PREFIX_BYTES)
        size = prefix[1] << 24 | prefix[2] << 16 | prefix[3] << 8 | prefix[4]
        if size > most:
            raise too_large(f"{size} bytes", most)
        if stream.waiting < PREFIX_BYTES + size:
            self.connection.grant(stream, stream.waiting - self._granted)
            self._granted = stream.waiting
        return size

    def _taken(self, size: int, encoding: str, most: int) -> bytes:
        flag = self.stream.take(PREFIX_BYTES)[0]
        content = self.stream.take(size)
        self.connection.grant(self.stream, PREFIX_BYTES + size - self._granted)
        self._granted = 0
        return unpacked(content, flag, encoding, most) if flag else content

    # -- sending -----------------------------------------------------------------------------

    async def send(self, data: bytes, *, end: bool = False) -> None:
        """Send bytes as the peer has room for them. On a stream that has ended they are lost, which is no fault here.

        Raises:
            Exception: the fault that this ended with.
        """
        connection, stream, at, size = self.connection, self.stream, 0, len(data)
        while True:
            if self.fault is not None:
                raise self.fault
            if stream.closed or stream.finished:
                return
            room = connection.sendable(stream)
            if size - at <= room or at == size:
                connection.data(stream, data[at:] if at else data, end)
                return
            if room > 0:
                connection.data(stream, data[at : at + room], False)
                at += room
            await self._room()

    async def _room(self) -> None:
        self._sender = asyncio.get_running_loop().create_future()
        try:
            await self._sender
        finally:
            self._sender = None
