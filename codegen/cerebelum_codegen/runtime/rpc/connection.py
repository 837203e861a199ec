"""One connection and its ends: patience that ends, keepalive, and an end that cuts nobody off.

grpclib's protocol layer is importable but not documented. `H2Protocol.connection_made` makes its parts by itself, so it
is written anew here, with our HTTP/2 and our events; grpclib's own keepalive is never started, since it closes a dead
connection in a way that waits for the dead.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import BaseTransport, Transport
from collections.abc import Callable
from typing import cast

from grpclib.config import Configuration
from grpclib.protocol import AbstractHandler, Connection, H2Protocol
from h2.errors import ErrorCodes

from cerebelum_codegen.runtime.rpc.events import Events
from cerebelum_codegen.runtime.rpc.http2 import configured, go_away, settled
from cerebelum_codegen.runtime.rpc.limits import Terms

_log = logging.getLogger(__name__)

_MOST_UNSENT_BYTES = 16 * 1024 * 1024
_LEAVE_S = 1.0
_FLUSH_S = 10.0
_EVERY_STREAM = (1 << 31) - 1
_GRPCLIB = Configuration().__for_server__()


class Side(AbstractHandler):
    """What a side does with the calls of a connection."""

    peer = ""
    """The other side's address, once there is a connection."""


class Link(H2Protocol):
    """One connection. It ends by itself when its peer does not begin, does nothing, or is no longer there."""

    connection: Connection
    handler: Side

    def __init__(self, handler: Side, terms: Terms, *, client: bool, among: set[Link]) -> None:
        """A connection that stands `among` others while it is open."""
        super().__init__(handler, _GRPCLIB, configured(client=client))
        self.client = client
        self.terms = terms
        self.leaving = False
        """Whether no further call should begin on it."""
        self.retired = False
        """Whether a further call is told that it came too late."""
        self._among = among
        self._timer: asyncio.TimerHandle | None = None
        self._begun = False
        self._pinged_at: float | None = None

    @property
    def open(self) -> bool:
        """Whether it can carry another call."""
        return not self.leaving and not self.connection.is_closing()

    @property
    def calls(self) -> int:
        """How many calls are under way."""
        return len(self.processor.streams)

    # -- what asyncio calls ------------------------------------------------------------------

    def connection_made(self, transport: BaseTransport) -> None:
        """Speak first."""
        self._loop = asyncio.get_running_loop()
        self._transport = cast("Transport", transport)
        self.http2 = settled(self.h2_config, self.terms)
        self.connection = Connection(self.http2, self._transport, config=self.config)
        self.connection.flush()
        self.processor: Events = Events(self)
        self._among.add(self)
        self.handler.peer = _written(self._transport.get_extra_info("peername"))
        self._made_at = self._heard_at = self.idle_since = self._loop.time()
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Hear, and answer."""
        if self.connection.is_closing():
            return
        self._heard_at, self._pinged_at = self._loop.time(), None
        try:
            events = self.connection.feed(data)
            self.http2.check_announced()
        except Exception as error:  # whatever a peer sends: the fault is its own, and h2 has more than one name for it
            self._reproach(error)
            return
        self._flush()
        for event in events:
            self.processor.process(event)
        self._flush()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Wake all who wait on it."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)
        self._among.discard(self)

    # -- endings -----------------------------------------------------------------------------

    def leave(self) -> None:
        """Let the calls that are under way end, begin no further one, then close."""
        if not self.leaving and not self.connection.is_closing():
            self.leaving = True
            self._go_away(_EVERY_STREAM)
            self.close_when_unused()

    def close(self, reason: str = "the connection was closed") -> None:
        """Close now, after what is written."""
        if not self.connection.is_closing():
            if not self.leaving:
                self._go_away(self.http2.highest_inbound_stream_id)
            self._end(reason)

    def abort(self, reason: str) -> None:
        """Drop it without a word."""
        _log.debug("dropping a connection: %s", reason)
        self._transport.abort()
        self.processor.close(reason)

    def retire(self) -> None:
        """Say which call was the last, and leave it to the peer to close: so no call of its own can cross ours."""
        if not self.retired and not self.connection.is_closing():
            self.leaving = self.retired = True
            self._go_away(self.http2.highest_inbound_stream_id)
            self._end_later(_LEAVE_S, self.close)

    def close_when_unused(self) -> None:
        """The end of `leave`."""
        if not self.leaving or self.processor.streams:
            return
        if self.client:
            self.close()
        else:
            self.retire()

    def calm(self) -> None:
        """Close on a peer that only makes noise."""
        self._go_away(self.http2.highest_inbound_stream_id, ErrorCodes.ENHANCE_YOUR_CALM)
        self.leaving = True
        self.close("too many control frames")

    def begin(self) -> None:
        """The peer speaks HTTP/2."""
        self._begun = True

    def _go_away(self, last_stream_id: int, code: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        self.connection.flush()
        self._transport.write(go_away(last_stream_id, code))

    def _reproach(self, error: Exception) -> None:
        _log.debug("a peer broke the protocol: %s", error)
        self.connection.flush()  # h2 has prepared the GOAWAY that says why
        self._end(f"the peer broke the protocol ({error})")

    def _end(self, reason: str) -> None:
        # A peer that does not read would keep what is not written, and the connection with it.
        self._end_later(_FLUSH_S, self._transport.abort)
        self.processor.close(reason)

    def _end_later(self, after_s: float, end: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(after_s, end)

    def _flush(self) -> None:
        if self.connection.is_closing():
            return
        self.connection.flush()
        if self._transport.get_write_buffer_size() > _MOST_UNSENT_BYTES:
            self.abort("it reads none of its answers")

    # -- patience ----------------------------------------------------------------------------

    def _watch(self) -> None:
        if self.connection.is_closing():
            return
        now = self._loop.time()
        due = min(self._due_begin(now), self._due_idle(now), self._due_keepalive(now))
        if not self.connection.is_closing() and not self.retired and due < float("inf"):
            self._timer = self._loop.call_at(due, self._watch)

    def _due_begin(self, now: float) -> float:
        due = self._made_at + self.terms.handshake_s
        if self._begun:
            return float("inf")
        if now >= due:
            self.abort(f"it did not speak HTTP/2 within {self.terms.handshake_s:g} s")
        return due

    def _due_idle(self, now: float) -> float:
        if self.terms.idle_s is None:
            return float("inf")
        since = now if self.processor.streams else self.idle_since
        if now >= since + self.terms.idle_s:
            self.retire()
        return since + self.terms.idle_s

    def _due_keepalive(self, now: float) -> float:
        keepalive = self.terms.keepalive
        if keepalive is None or self.connection.is_closing():
            return float("inf")
        if self._pinged_at is not None:
            if now >= self._pinged_at + keepalive.timeout_s:
                self.abort("the peer is no longer there")
            return self._pinged_at + keepalive.timeout_s
        if not keepalive.without_calls and not self.processor.streams:
            return now + keepalive.after_s
        if now >= self._heard_at + keepalive.after_s:
            self._pinged_at = now
            self.http2.ping(bytes(8))
            self.connection.flush()
            return now + min(keepalive.timeout_s, keepalive.after_s)
        return self._heard_at + keepalive.after_s


def _written(address: object) -> str:
    match address:
        case (host, port, *_):
            return f"{host}:{port}"
        case _:
            return ""
