"""What h2 tells of a connection, with our answers where grpclib has none or another.

grpclib's protocol layer is importable but not documented: `EventsProcessor` is its table of events and answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from grpclib.protocol import EventsProcessor, Stream
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

from cerebelum_codegen.runtime.rpc.errors import RpcError, StatusCode, Unprocessed

if TYPE_CHECKING:
    from cerebelum_codegen.runtime.rpc.connection import Link

_TALK = (StreamReset, PingReceived, RemoteSettingsChanged, PriorityUpdated)
"""What costs a peer nothing to send, and us something to hear."""
_RESETS = {
    ErrorCodes.CANCEL: StatusCode.CANCELLED,
    ErrorCodes.ENHANCE_YOUR_CALM: StatusCode.RESOURCE_EXHAUSTED,
    ErrorCodes.INADEQUATE_SECURITY: StatusCode.PERMISSION_DENIED,
}


class Events(EventsProcessor):
    """Answers the events of one connection."""

    def __init__(self, link: Link) -> None:
        super().__init__(link.handler, link.connection)
        self._link = link
        self._noise = Noise(link)

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


class Noise:
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
