"""What a peer may say of the connection as a whole: settings, windows, pings, farewells."""

from __future__ import annotations

from struct import Struct

from cerebelum_codegen.runtime.http2.codes import (
    ACK,
    ENABLE_PUSH,
    FRAME_BYTES,
    GOAWAY,
    HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE,
    LARGEST_FRAME_BYTES,
    LARGEST_WINDOW_BYTES,
    LAST_STREAM,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    SETTINGS,
    WINDOW_UPDATE,
    ErrorCode,
)
from cerebelum_codegen.runtime.http2.connection import Connection
from cerebelum_codegen.runtime.http2.errors import ConnectionFault

_TABLE_BYTES = 4096
"""The table of headers that a peer has unless it says otherwise."""
_FRAME_BYTES = 4 * FRAME_BYTES
"""The largest frame that is sent, whatever the peer would take: others on the connection want their turn."""
_MOST_WORDS = 200
"""How much is kept of what a peer says when it leaves."""

_each_setting = Struct(">HL").iter_unpack


class Control:
    """Obeys what a peer says of its connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._listener = connection.listener
        self.begun = False
        """Whether the peer has said its settings."""

    def frame(self, kind: int, flags: int, stream_id: int, content: bytes) -> None:
        """Take a frame that belongs to no stream, or none that is known here.

        Raises:
            ConnectionFault: it breaks the protocol.
        """
        if kind == PRIORITY:
            self._priority(stream_id, content)
            return
        if stream_id and kind in (SETTINGS, PING, GOAWAY):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"a frame of kind {kind} on a stream")
        if kind == WINDOW_UPDATE:
            self._window_update(content)
        elif kind == SETTINGS:
            self._settings(flags, content)
        elif kind == PING:
            self._ping(flags, content)
        elif kind == GOAWAY:
            self._goaway(content)
        elif kind == PUSH_PROMISE:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a push that was not allowed")
        else:
            self._listener.disturbed(ping=False)

    def _settings(self, flags: int, content: bytes) -> None:
        if len(content) % 6 or (flags & ACK and content):
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "settings of another size")
        if not flags & ACK:
            self._obey(content)
        self._listener.disturbed(ping=False)

    def _obey(self, content: bytes) -> None:
        connection, room = self._connection, self._connection.stream_room
        if not self.begun:
            connection.peer_max_streams = LAST_STREAM
        for key, value in _each_setting(content):
            self._setting(key, value)
        if connection.stream_room != room:  # once, however often one frame says it
            self._resized(connection.stream_room - room)
        connection.acknowledge()
        if not self.begun:
            self.begun = True
            self._listener.begun()

    def _setting(self, key: int, value: int) -> None:
        connection = self._connection
        if key == HEADER_TABLE_SIZE:
            if value < _TABLE_BYTES:
                connection.forgo_table()
        elif key == MAX_CONCURRENT_STREAMS:
            connection.peer_max_streams = value
            self._listener.freed()
        elif key == INITIAL_WINDOW_SIZE:
            if value > LARGEST_WINDOW_BYTES:
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a window that is too large")
            connection.stream_room = value
        elif key == MAX_FRAME_SIZE:
            if not FRAME_BYTES <= value <= LARGEST_FRAME_BYTES:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"frames of {value} bytes")
            connection.frame_bytes = min(value, _FRAME_BYTES)
        elif key == ENABLE_PUSH and value > (0 if connection.client else 1):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a push setting that is none")

    def _resized(self, more: int) -> None:
        for stream in self._connection.streams.values():
            stream.room += more
            if stream.room > LARGEST_WINDOW_BYTES:
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a window that is too large")
        self._widened()

    def _window_update(self, content: bytes) -> None:
        more, connection = increment(content), self._connection
        waited_for = connection.room <= 0
        connection.room += more
        if more == 0 or connection.room > LARGEST_WINDOW_BYTES:
            code = ErrorCode.FLOW_CONTROL_ERROR if more else ErrorCode.PROTOCOL_ERROR
            raise ConnectionFault(code, "a window that cannot be")
        if waited_for:
            self._widened()

    def _widened(self) -> None:
        for stream in list(self._connection.streams.values()):
            if stream.owner is not None:
                stream.owner.widened()

    def _ping(self, flags: int, content: bytes) -> None:
        if len(content) != 8:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a ping of another size")
        if not flags & ACK:
            self._connection.ping(content, answer=True)
        self._listener.disturbed(ping=not flags & ACK)

    def _goaway(self, content: bytes) -> None:
        if len(content) < 8:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a farewell of another size")
        last = int.from_bytes(content[:4], "big") & LAST_STREAM
        words = content[8 : 8 + _MOST_WORDS].decode("ascii", "replace")
        self._listener.left(last, int.from_bytes(content[4:8], "big"), words)

    def _priority(self, stream_id: int, content: bytes) -> None:
        if stream_id == 0:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a priority of no stream")
        if len(content) != 5:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a priority of another size")
        self._listener.disturbed(ping=False)


def increment(content: bytes) -> int:
    """By how much a window is widened.

    Raises:
        ConnectionFault: it does not say.
    """
    if len(content) != 4:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a window of another size")
    return int.from_bytes(content, "big") & LAST_STREAM
