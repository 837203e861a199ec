"""One connection: its streams, who may send how much, and the frames that say so.

`receive` takes what has arrived and `take` gives what is to be written. The receiver's rules stand in `receiving`.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, Protocol

from cerebelum_codegen.runtime.http2.codes import (
    ACK,
    CONTINUATION,
    DATA,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    FRAME_BYTES,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    LAST_STREAM,
    MAX_CONCURRENT_STREAMS,
    MAX_HEADER_LIST_SIZE,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_BYTES,
    WINDOW_UPDATE,
    ErrorCode,
)
from cerebelum_codegen.runtime.http2.stream import Stream, StreamOwner

OUR_WINDOW_BYTES: Final = 4 * 1024 * 1024
"""How much may be under way to us, on all streams together."""
STREAM_WINDOW_BYTES: Final = 1024 * 1024
"""How much a peer may send on a stream ahead of what is taken."""
TURN_BYTES: Final = 1024 * 1024
"""How much is sent within one turn of the loop: what the network makes of it is seen only then."""
UNTOLD_STREAMS: Final = 100
"""How many streams are opened before the peer has said how many it takes."""
_FORGIVEN: Final = 1_000
_EMPTY_TABLE: Final = b"\x20"

_prefix = Struct(">HBBBL").pack
_setting = Struct(">HL").pack
_number = Struct(">L").pack


class Listener(Protocol):
    """Who owns a connection."""

    def begun(self) -> None:
        """The peer has said its settings: it speaks HTTP/2."""

    def called(self, stream: Stream) -> StreamOwner | None:
        """A client has opened a stream, which `first` tells about; without an owner it is refused."""

    def disturbed(self, ping: bool) -> None:
        """The peer has said what costs it nothing, and means nothing or undoes what it said before."""

    def left(self, last_stream: int, code: int, reason: str) -> None:
        """No further streams are taken, and those after the last will not be answered."""

    def freed(self) -> None:
        """There may be a place for another stream."""

    def pending(self) -> None:
        """There is something to write, where there was nothing."""


def frame(kind: int, flags: int, stream_id: int, content: bytes) -> bytes:
    """A frame as it travels."""
    size = len(content)
    return _prefix(size >> 8, size & 0xFF, kind, flags, stream_id) + content


class Connection:
    """What both sides know of a connection. All verbs write at once; nothing waits."""

    def __init__(self, listener: Listener, *, client: bool, max_streams: int, max_header_bytes: int) -> None:
        self.listener = listener
        self.client = client
        self.max_streams = max_streams
        """How many streams the peer may have open."""
        self.streams: dict[int, Stream] = {}
        self.highest = 0
        """The last stream that the peer opened."""
        self.next_id = 1
        """The next stream that is opened here."""
        self.room = WINDOW_BYTES
        """How many bytes the peer will take, on all streams together."""
        self.stream_room = WINDOW_BYTES
        """How many bytes the peer will take on a new stream."""
        self.frame_bytes = FRAME_BYTES
        self.peer_max_streams = UNTOLD_STREAMS
        self.data_sent = 0
        self.queued = 0
        """How many bytes of data are still to be written."""
        self.forgiven: dict[int, None] = {}
        """Streams that were reset here: what their peer had already sent on them is passed over."""
        self.held = False
        """Whether nothing should be sent, since what was sent is not written yet."""
        self.told = True
        """Whether the listener knows that there is something to write."""
        self._credit = 0
        self._out: list[bytes] = []
        self._resize = b""
        self._say_settings(max_streams, max_header_bytes)

    def take(self) -> bytes:
        """What is to be written."""
        self.told = False
        self.queued = 0
        out = self._out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    def open(self) -> Stream:
        """A new stream, which the caller has seen that there is a place for; it begins with the headers."""
        stream = Stream(self.next_id, self.stream_room, STREAM_WINDOW_BYTES)
        self.next_id += 2
        self.streams[stream.id] = stream
        if self.next_id > LAST_STREAM:
            self.listener.left(LAST_STREAM, ErrorCode.NO_ERROR, "no number is left for another stream")
        return stream

    def headers(self, stream: Stream, block: bytes, end: bool) -> None:
        """Send headers, which `end` what is said on the stream or do not."""
        flags = END_STREAM if end else 0
        if self._resize:
            block, self._resize = self._resize + block, b""
        if len(block) <= self.frame_bytes:
            self._write(frame(HEADERS, flags | END_HEADERS, stream.id, block))
        else:
            self._in_parts(stream.id, flags, block)
        if end:
            self._finish(stream)

    def sendable(self, stream: Stream) -> int:
        """How many bytes may be sent now; less than nothing after the peer has narrowed its windows."""
        return 0 if self.held else min(self.room, stream.room, TURN_BYTES - self.queued)

    def data(self, stream: Stream, data: bytes, end: bool) -> None:
        """Send bytes, which the caller has seen that there is room for."""
        size, most = len(data), self.frame_bytes
        self.room -= size
        stream.room -= size
        self.data_sent += size
        self.queued += size
        at = 0
        while size - at > most:
            self._write(frame(DATA, 0, stream.id, data[at : at + most]))
            at += most
        self._write(frame(DATA, END_STREAM if end else 0, stream.id, data[at:] if at else data))
        if end:
            self._finish(stream)

    def reset(self, stream: Stream, code: ErrorCode) -> None:
        """End a stream that is not closed, on both sides."""
        self.refuse(stream.id, code)
        self.close(stream)

    def refuse(self, stream_id: int, code: ErrorCode) -> None:
        """Say that nothing is heard on a stream any more."""
        self._write(frame(RST_STREAM, 0, stream_id, _number(int(code))))
        self.forgiven[stream_id] = None
        if len(self.forgiven) > _FORGIVEN:
            del self.forgiven[next(iter(self.forgiven))]

    def close(self, stream: Stream) -> None:
        """A stream has ended on both sides."""
        if not stream.closed:
            stream.closed = True
            self.streams.pop(stream.id, None)
            self.listener.freed()

    def grant(self, stream: Stream, taken: int) -> None:
        """Let the peer send as much again as was taken. It is told when half of a window has come together."""
        if stream.ended or stream.closed:
            return
        stream.credit += taken
        if stream.credit >= STREAM_WINDOW_BYTES // 2:
            self._write(frame(WINDOW_UPDATE, 0, stream.id, _number(stream.credit)))
            stream.window += stream.credit
            stream.credit = 0

    def heard(self, size: int) -> None:
        """Let as much be sent on any stream as has arrived. What nobody reads is stopped by its stream's window."""
        self._credit += size
        if self._credit >= OUR_WINDOW_BYTES // 2:
            self._write(frame(WINDOW_UPDATE, 0, 0, _number(self._credit)))
            self._credit = 0

    def ping(self, content: bytes, *, answer: bool = False) -> None:
        """Ask whether the peer is there, or answer that question."""
        self._write(frame(PING, ACK if answer else 0, 0, content))

    def go_away(self, last_stream: int, code: ErrorCode) -> None:
        """Say which stream was the last to be answered."""
        self._write(frame(GOAWAY, 0, 0, _number(last_stream) + _number(int(code))))

    def acknowledge(self) -> None:
        """Say that the peer's settings are obeyed."""
        self._write(frame(SETTINGS, ACK, 0, b""))

    def forgo_table(self) -> None:
        """Say with the next headers that none are kept in a table, where a peer has room for less than is usual."""
        self._resize = _EMPTY_TABLE

    def _say_settings(self, max_streams: int, max_header_bytes: int) -> None:
        said = [
            (ENABLE_PUSH, 0),
            (MAX_CONCURRENT_STREAMS, max_streams),
            (INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES),
            (MAX_HEADER_LIST_SIZE, max_header_bytes),
        ]
        settings = b"".join([_setting(key, value) for key, value in said if not self.client or key != 3])
        self._out.append((PREFACE if self.client else b"") + frame(SETTINGS, 0, 0, settings))
        self._out.append(frame(WINDOW_UPDATE, 0, 0, _number(OUR_WINDOW_BYTES - WINDOW_BYTES)))

    def _in_parts(self, stream_id: int, flags: int, block: bytes) -> None:
        most = self.frame_bytes
        self._write(frame(HEADERS, flags, stream_id, block[:most]))
        for at in range(most, len(block), most):
            last = END_HEADERS if at + most >= len(block) else 0
            self._write(frame(CONTINUATION, last, stream_id, block[at : at + most]))

    def _finish(self, stream: Stream) -> None:
        stream.finished = True
        if stream.ended:
            self.close(stream)

    def _write(self, data: bytes) -> None:
        self._out.append(data)
        if not self.told:
            self.told = True
            self.listener.pending()
