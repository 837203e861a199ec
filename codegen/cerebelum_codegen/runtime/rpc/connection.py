"""One connection and its ends: HTTP/2 on a transport, and an end that cuts nobody off."""

from __future__ import annotations

import asyncio
import logging
from asyncio import BaseTransport, Transport
from collections.abc import Callable
from typing import Protocol, cast

from cerebelum_codegen.runtime.http2.codes import LAST_STREAM, ErrorCode
from cerebelum_codegen.runtime.http2.connection import TURN_BYTES, Connection
from cerebelum_codegen.runtime.http2.errors import ConnectionFault
from cerebelum_codegen.runtime.http2.receiving import Receiver
from cerebelum_codegen.runtime.http2.stream import Stream
from cerebelum_codegen.runtime.rpc.exchange import Exchange
from cerebelum_codegen.runtime.rpc.limits import Terms
from cerebelum_codegen.runtime.rpc.line import Line
from cerebelum_codegen.runtime.rpc.listening import LinkListener
from cerebelum_codegen.runtime.rpc.noise import Noise
from cerebelum_codegen.runtime.rpc.patience import Patience

_log = logging.getLogger(__name__)

_MOST_UNSENT_BYTES = 16 * 1024 * 1024
_LEAVE_S = 1.0
_FLUSH_S = 10.0


class Side(Protocol):
    """What a side does with the calls of a connection."""

    def called(self, link: Link, stream: Stream) -> Exchange | None:
        """Begin to serve a call; None when none is served any more."""


class Link(asyncio.Protocol):
    """One connection. It ends by itself when its peer does not begin, does nothing, or is no longer there.

    What is to be written within one turn of the loop is written at its end, together.
    """

    def __init__(self, side: Side, terms: Terms, *, client: bool, among: set[Link]) -> None:
        """A connection that stands `among` others while it is open."""
        self.client = client
        self.terms = terms
        self.peer = ""
        """The other side's address, once there is a connection."""
        self.leaving = False
        """Whether no further call should begin on it."""
        self.retired = False
        """Whether a further call is told that it came too late."""
        self.closing = False
        """Whether it is at its end, or was not opened yet."""
        self.side = side
        self.noise = Noise(terms.max_streams)
        listener, most = LinkListener(self), terms.max_header_bytes
        self.http2 = Connection(listener, client=client, max_streams=terms.max_streams, max_header_bytes=most)
        self.line = Line(self.http2)
        """Who waits until the peer takes another call."""
        self._receiver = Receiver(self.http2, max_header_bytes=most)
        self._among = among
        self._ending: asyncio.TimerHandle | None = None

    @property
    def open(self) -> bool:
        """Whether it can carry another call."""
        return not self.leaving and not self.closing

    @property
    def calls(self) -> int:
        """How many calls are under way."""
        return len(self.http2.streams)

    # -- what asyncio calls ------------------------------------------------------------------

    def connection_made(self, transport: BaseTransport) -> None:
        """Speak first."""
        self._loop = asyncio.get_running_loop()
        self._transport = cast("Transport", transport)
        self._transport.write(self.http2.take())
        self._among.add(self)
        self.peer = _written(self._transport.get_extra_info("peername"))
        self.patience = Patience(self, self.terms, self._loop.time())
        self.patience.watch()

    def data_received(self, data: bytes) -> None:
        """Hear, and answer."""
        if self.closing:
            return
        self.patience.heard(self._loop.time())
        try:
            self._receiver.receive(data)
        except ConnectionFault as fault:
            _log.debug("a peer broke the protocol: %s", fault)
            self.close(f"the peer broke the protocol: {fault}", fault.code)

    def pause_writing(self) -> None:
        """The transport is full."""
        self.http2.held = True

    def resume_writing(self) -> None:
        """The transport takes more."""
        self.http2.held = False
        self._widened()
        self.line.call_up()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Wake all who wait on it."""
        self._lose("the other side has closed it")
        if self._ending is not None:
            self._ending.cancel()
        self._among.discard(self)

    # -- endings -----------------------------------------------------------------------------

    def leave(self) -> None:
        """Let the calls that are under way end, begin no further one, then close."""
        if self.open:
            self.leaving = True
            self.http2.go_away(LAST_STREAM, ErrorCode.NO_ERROR)
            self.close_when_unused()

    def close(self, reason: str = "the connection was closed", code: ErrorCode = ErrorCode.NO_ERROR) -> None:
        """Close now, after what is written."""
        if self.closing:
            return
        if not self.leaving or code != ErrorCode.NO_ERROR:
            self.http2.go_away(self.http2.highest, code)
        self._transport.write(self.http2.take())
        # A peer that does not read would keep what is not written, and the connection with it.
        self._end_later(_FLUSH_S, self._transport.abort)
        self._transport.close()
        self._lose(reason)

    def abort(self, reason: str) -> None:
        """Drop it without a word."""
        _log.debug("dropping a connection: %s", reason)
        self._transport.abort()
        self._lose(reason)

    def retire(self) -> None:
        """Say which call was the last, and leave it to the peer to close: so no call of its own can cross ours."""
        if not self.retired and not self.closing:
            self.leaving = self.retired = True
            self.http2.go_away(self.http2.highest, ErrorCode.NO_ERROR)
            self._end_later(_LEAVE_S, self.close)

    def close_when_unused(self) -> None:
        """The end of `leave`."""
        if not self.leaving or self.http2.streams:
            return
        if self.client:
            self.close()
        else:
            self.retire()

    def _lose(self, reason: str) -> None:
        if self.closing:
            return
        self.closing = True
        self._receiver.stop()
        self.patience.stop()
        for stream in list(self.http2.streams.values()):
            self.http2.close(stream)
            if isinstance(stream.owner, Exchange):
                stream.owner.lose(reason)
        self.line.close()

    def _end_later(self, after_s: float, end: Callable[[], None]) -> None:
        if self._ending is not None:
            self._ending.cancel()
        self._ending = self._loop.call_later(after_s, end)

    def flush(self) -> None:
        """Write what has come together."""
        more = self.http2.queued >= TURN_BYTES
        data = self.http2.take()
        if self.closing or not data:
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > _MOST_UNSENT_BYTES:
            self.abort("it reads none of its answers")
        elif more and not self.http2.held:
            self._widened()

    def _widened(self) -> None:
        for stream in list(self.http2.streams.values()):
            if stream.owner is not None:
                stream.owner.widened()


def _written(address: object) -> str:
    match address:
        case (host, port, *_):
            return f"{host}:{port}"
        case _:
            return ""
