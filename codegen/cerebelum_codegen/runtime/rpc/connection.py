"""What grpclib's connections lack, in one place: limits, patience that ends, keepalive, an end that cuts nobody off.

It reaches into others' parts where they offer no other way:

- grpclib's protocol layer is importable but not documented. `H2Protocol.connection_made` makes its parts by itself,
  so it is written anew here, with our settings and our `_Events`; grpclib's own keepalive is never started, since it
  closes a dead connection in a way that waits for the dead.
- h2 ends a whole connection when it hears GOAWAY, and cannot say it without ending itself. But a GOAWAY without an
  error means: finish what is under way. So `_Http2` only tells of it, and `_go_away` writes the frame by itself.
- h2 closes a connection whose peer opens one stream too many. Peers may do so in good faith before they have read our
  settings, so h2 is told a higher limit than the peer, and what lies between is refused one by one.
- h2 gathers a frame whole, up to 16 MB, before it looks whether it may be so large. `_check_announced` reads the length
  of the frame that h2 is gathering.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import BaseTransport, Transport
from collections.abc import Callable
from typing import cast

from grpclib.config import Configuration
from grpclib.protocol import AbstractHandler, Connection, EventsProcessor, H2Protocol, Stream
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    Event,
    PingReceived,
    PriorityUpdated,
    RemoteSettingsChanged,
    RequestReceived,
    StreamReset,
)
from h2.exceptions import FrameTooLargeError
from hyperframe.frame import Frame, GoAwayFrame

from cerebelum_codegen.runtime.rpc.errors import RpcError, StatusCode, Unprocessed
from cerebelum_codegen.runtime.rpc.limits import Terms
from cerebelum_codegen.runtime.rpc.repeated import HeaderReader

_log = logging.getLogger(__name__)

_WINDOW_BYTES = 4 * 1024 * 1024
_MOST_UNSENT_BYTES = 16 * 1024 * 1024
_LEAVE_S = 1.0
_FLUSH_S = 10.0
_EVERY_STREAM = (1 << 31) - 1
_GRPCLIB = Configuration().__for_server__()
_TALK = (StreamReset, PingReceived, RemoteSettingsChanged, PriorityUpdated)
"""What costs a peer nothing to send, and us something to hear."""
_RESETS = {
    ErrorCodes.CANCEL: StatusCode.CANCELLED,
    ErrorCodes.ENHANCE_YOUR_CALM: StatusCode.RESOURCE_EXHAUSTED,
    ErrorCodes.INADEQUATE_SECURITY: StatusCode.PERMISSION_DENIED,
}


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
        # Not the peer's, but ours to decide what a header means: latin-1 reads every byte.
        http2 = H2Configuration(
            client_side=client,
            header_encoding="latin-1",
            validate_inbound_headers=False,
            validate_outbound_headers=False,
            normalize_inbound_headers=False,
            normalize_outbound_headers=False,
        )
        super().__init__(handler, _GRPCLIB, http2)
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
        self.http2 = _settled(self.h2_config, self.terms)
        self.connection = Connection(self.http2, self._transport, config=self.config)
        self.connection.flush()
        self.processor: _Events = _Events(self)
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
            self._check_announced()
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

    def _check_announced(self) -> None:
        size = int.from_bytes(self.http2.incoming_buffer._data[:3], "big")
        if size > self.http2.max_inbound_frame_size:
            raise FrameTooLargeError(f"it announces a frame of {size} bytes")

    def _go_away(self, last_stream_id: int, code: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        self.connection.flush()
        frame = GoAwayFrame(0, last_stream_id=last_stream_id, error_code=int(code))
        self._transport.write(frame.serialize())

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


class _Http2(H2Connection):
    """Goes on after a GOAWAY that announces a friendly end."""

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[Event]]:
        if frame.error_code != ErrorCodes.NO_ERROR:
            return super()._receive_goaway_frame(frame)
        event = ConnectionTerminated()
        event.error_code = ErrorCodes.NO_ERROR
        event.last_stream_id = frame.last_stream_id
        return [], [event]


class _Events(EventsProcessor):
    """What h2 tells, with our answers where grpclib has none or another."""

    def __init__(self, link: Link) -> None:
        super().__init__(link.handler, link.connection)
        self._link = link
        self._noise = _Noise(link)

    def process(self, event: Event) -> None:
        """Handle an event. Those that mean nothing in gRPC are passed over."""
        if isinstance(event, _TALK) and not self._link.client:
            self._noise.heard(event)
        if type(event) in getattr(self, "processors", ()):  # grpclib deletes the table when it closes
            super().process(event)

    def register(self, stream: Stream) -> Callable[[], None]:
        """Keep a stream until it is released."""
        release, link = super().register(stream), self._link

        def released() -> None:
            release()
            link.idle_since = asyncio.get_running_loop().time()
            link.close_when_unused()

        return released

    def process_remote_settings_changed(self, event: RemoteSettingsChanged) -> None:
        """The first settings show that the peer speaks HTTP/2."""
        self._link.begin()
        super().process_remote_settings_changed(event)

    def process_request_received(self, event: RequestReceived) -> None:
        """Accept a call, while there is room for it."""
        # Calls that are answered, but not released yet, take no room: their callers know already that they ended.
        most = self._link.terms.max_streams
        full = len(self.streams) >= most and self._link.http2.open_inbound_streams > most
        if full or self._link.retired:
            self._link.http2.reset_stream(event.stream_id, ErrorCodes.REFUSED_STREAM)
        else:
            super().process_request_received(event)

    def process_stream_reset(self, event: StreamReset) -> None:
        """End a call that the peer does not want any more."""
        stream = self.streams.get(event.stream_id)
        if stream is None:
            return
        if stream.wrapper is not None:
            stream.wrapper.cancel(_reset_error(event.error_code))
        self.handler.cancel(stream)

    def process_connection_terminated(self, event: ConnectionTerminated) -> None:
        """End the calls that the peer will not answer, and let the others end by themselves."""
        if event.error_code != ErrorCodes.NO_ERROR:
            self.close(f"the peer closed the connection (HTTP/2 error {event.error_code})")
            return
        self._link.leaving = True
        for stream_id, stream in list(self.streams.items()):
            if stream.wrapper is not None and stream_id > (event.last_stream_id or 0):
                stream.wrapper.cancel(Unprocessed("the server is going away"))
        self._link.close_when_unused()


class _Noise:
    """Counts what is cheap to send and costly to hear, second by second."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._most = 2 * link.terms.max_streams + 200
        self._second = 0.0
        self._count = 0
        self._data_sent = 0

    def heard(self, event: Event) -> None:
        """Close on a peer that goes too far. Pings between our messages are others' way to measure the network."""
        sent = self._link.connection.data_sent
        if isinstance(event, PingReceived) and sent != self._data_sent:
            self._data_sent = sent
            return
        now = asyncio.get_running_loop().time()
        if now - self._second >= 1:
            self._second, self._count = now, 0
        self._count += 1
        if self._count > self._most and not self._link.connection.is_closing():
            self._link.calm()


def _reset_error(code: int) -> RpcError:
    if code == ErrorCodes.REFUSED_STREAM:
        return Unprocessed("the server has no room for another call on this connection")
    named = next((each for each in ErrorCodes if each == code), None)
    status = StatusCode.INTERNAL if named is None else _RESETS.get(named, StatusCode.INTERNAL)
    return RpcError(status, f"the peer reset the call (HTTP/2 error {code})")


def _written(address: object) -> str:
    match address:
        case (host, port, *_):
            return f"{host}:{port}"
        case _:
            return ""


def _settled(config: H2Configuration, terms: Terms) -> _Http2:
    """An HTTP/2 connection that has said its settings."""
    http2 = _Http2(config)
    http2.decoder = HeaderReader()
    settings = http2.local_settings
    settings.max_concurrent_streams = terms.max_streams
    settings.max_header_list_size = http2.decoder.max_header_list_size = terms.max_header_bytes
    settings.initial_window_size = _WINDOW_BYTES
    settings.enable_push = 0
    settings.acknowledge()
    http2.initiate_connection()
    http2.increment_flow_control_window(_WINDOW_BYTES - 65_535)
    settings.max_concurrent_streams = 2 * terms.max_streams
    settings.acknowledge()
    return http2
