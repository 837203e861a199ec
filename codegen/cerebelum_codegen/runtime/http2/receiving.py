"""What a peer may send, and when: the rules of RFC 9113 for whoever receives.

A peer that breaks a rule for the whole connection is told why and left (`ConnectionFault`); one that breaks a rule for
one stream loses that stream.
"""

from __future__ import annotations

from cerebelum_codegen.runtime.http2.codes import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_BYTES,
    HEADERS,
    LARGEST_WINDOW_BYTES,
    PADDED,
    PREFACE,
    PREFIX_BYTES,
    PRIORITIZED,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    ErrorCode,
)
from cerebelum_codegen.runtime.http2.connection import STREAM_WINDOW_BYTES, Connection
from cerebelum_codegen.runtime.http2.control import Control, increment
from cerebelum_codegen.runtime.http2.errors import ConnectionFault
from cerebelum_codegen.runtime.http2.fields import FieldReader, Fields
from cerebelum_codegen.runtime.http2.stream import Stream

_MOST_PARTS = 64
"""Into how many frames a list of headers may be cut."""


class Receiver:
    """Reads what the peer of a connection sends."""

    def __init__(self, connection: Connection, *, max_header_bytes: int) -> None:
        self._connection = connection
        self._control = Control(connection)
        self._listener = connection.listener
        self._fields = FieldReader(max_header_bytes)
        self._max_header_bytes = max_header_bytes
        self._rest = b""
        self._preface = b"" if connection.client else PREFACE
        """What of the first words is still to come."""
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        self._parts_of = 0
        """The stream whose headers come in parts; 0 while none do."""
        self._parts_end = False
        self._stopped = False

    def stop(self) -> None:
        """Hear no more, not even what has arrived."""
        self._stopped = True

    def receive(self, data: bytes) -> None:
        """Take what has arrived.

        Raises:
            ConnectionFault: the peer broke the protocol; nothing more is to be heard from it.
        """
        if self._rest:
            data = self._rest + data
        at, size = 0, len(data)
        if self._preface:
            at = self._greeted(data)
        while size - at >= PREFIX_BYTES and not self._stopped:
            length = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
            if length > FRAME_BYTES:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"a frame of {length} bytes")
            start = at + PREFIX_BYTES
            end = start + length
            if end > size:
                break
            stream_id = (data[at + 5] & 0x7F) << 24 | data[at + 6] << 16 | data[at + 7] << 8 | data[at + 8]
            self._frame(data[at + 3], data[at + 4], stream_id, data[start:end])
            at = end
        self._rest = data[at:] if at < size else b""

    def _greeted(self, data: bytes) -> int:
        said = data[: len(self._preface)]
        if not self._preface.startswith(said):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "it does not speak HTTP/2")
        self._preface = self._preface[len(said) :]
        return len(said)

    def _frame(self, kind: int, flags: int, stream_id: int, content: bytes) -> None:
        if not self._control.begun and (kind != SETTINGS or flags & ACK):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a connection begins with settings")
        if self._parts_of and (kind != CONTINUATION or stream_id != self._parts_of):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "headers are interrupted")
        if kind == DATA:
            self._data(flags, stream_id, content)
        elif kind == HEADERS:
            self._headers(flags, stream_id, content)
        elif kind == RST_STREAM:
            self._rst_stream(stream_id, content)
        elif kind == CONTINUATION:
            self._continuation(flags, content)
        elif kind == WINDOW_UPDATE and stream_id:
            self._window_update(stream_id, content)
        else:
            self._control.frame(kind, flags, stream_id, content)

    # -- data --------------------------------------------------------------------------------

    def _data(self, flags: int, stream_id: int, content: bytes) -> None:
        connection, size = self._connection, len(content)
        self._known(stream_id)
        connection.heard(size)
        if flags & PADDED:
            content = _unpadded(content)
        stream = connection.streams.get(stream_id)
        if stream is None or stream.ended:
            self._too_late(stream_id, stream)
            return
        stream.window -= size
        if stream.window < 0 or stream.first is None:
            code = ErrorCode.PROTOCOL_ERROR if stream.first is None else ErrorCode.FLOW_CONTROL_ERROR
            self._broken(stream, code)
            return
        padding = size - len(content)
        if padding:
            connection.grant(stream, padding)
        if content:
            stream.put(content)
        elif not flags & END_STREAM:
            self._listener.disturbed(ping=False)
        self._heard(stream, bool(flags & END_STREAM))

    def _heard(self, stream: Stream, end: bool) -> None:
        if end:
            stream.ended = True
            if stream.finished:
                self._connection.close(stream)
        if stream.owner is not None:
            stream.owner.arrived()

    def _window_update(self, stream_id: int, content: bytes) -> None:
        more = increment(content)
        self._known(stream_id)
        stream = self._connection.streams.get(stream_id)
        if stream is None:
            return
        stream.room += more
        if more == 0 or stream.room > LARGEST_WINDOW_BYTES:
            self._broken(stream, ErrorCode.FLOW_CONTROL_ERROR if more else ErrorCode.PROTOCOL_ERROR)
        elif stream.owner is not None:
            stream.owner.widened()

    # -- headers -----------------------------------------------------------------------------

    def _headers(self, flags: int, stream_id: int, content: bytes) -> None:
        if stream_id == 0:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "headers of no stream")
        if flags & PADDED:
            content = _unpadded(content)
        if flags & PRIORITIZED:
            if len(content) < 5:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "headers that are cut short")
            content = content[5:]
        end = bool(flags & END_STREAM)
        if flags & END_HEADERS:
            self._block(stream_id, content, end)
        else:
            self._parts, self._parts_bytes = [content], len(content)
            self._parts_of, self._parts_end = stream_id, end

    def _continuation(self, flags: int, content: bytes) -> None:
        if not self._parts_of:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a continuation of nothing")
        self._parts.append(content)
        self._parts_bytes += len(content)
        if self._parts_bytes > self._max_header_bytes or len(self._parts) > _MOST_PARTS:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "headers without an end")
        if flags & END_HEADERS:
            stream_id, self._parts_of = self._parts_of, 0
            self._block(stream_id, b"".join(self._parts), self._parts_end)

    def _block(self, stream_id: int, block: bytes, end: bool) -> None:
        fields = self._fields.read(block)  # always: what it adds to the table counts for all streams
        stream = self._connection.streams.get(stream_id)
        if stream is not None:
            self._further(stream, fields, end)
        elif self._connection.client:
            self._known(stream_id)
            self._too_late(stream_id, None)
        elif stream_id % 2 == 0 or stream_id <= self._connection.highest:
            self._known(stream_id)
            if stream_id not in self._connection.forgiven:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"stream {stream_id} is opened when it has ended")
        else:
            self._connection.highest = stream_id
            self._opened(stream_id, fields, end)

    def _opened(self, stream_id: int, fields: Fields, end: bool) -> None:
        connection = self._connection
        if fields.fault:
            connection.refuse(stream_id, ErrorCode.PROTOCOL_ERROR)
            self._listener.disturbed(ping=False)
            return
        if len(connection.streams) >= connection.max_streams:
            connection.refuse(stream_id, ErrorCode.REFUSED_STREAM)
            self._listener.disturbed(ping=False)
            return
        stream = Stream(stream_id, connection.stream_room, STREAM_WINDOW_BYTES)
        stream.first, stream.ended = fields, end
        connection.streams[stream_id] = stream
        stream.owner = self._listener.called(stream)
        if stream.owner is None:
            connection.reset(stream, ErrorCode.REFUSED_STREAM)

    def _further(self, stream: Stream, fields: Fields, end: bool) -> None:
        if stream.ended:
            self._too_late(stream.id, stream)
        elif fields.fault or (stream.first is not None and (fields.pseudo or not end)):
            self._broken(stream, ErrorCode.PROTOCOL_ERROR)
        elif stream.first is not None:
            stream.last = fields
            self._heard(stream, end)
        elif fields.found.get(":status", "")[:1] != "1":
            stream.first = fields
            self._heard(stream, end)
        elif end:  # what only announces an answer cannot be all of it
            self._broken(stream, ErrorCode.PROTOCOL_ERROR)

    # -- streams that end --------------------------------------------------------------------

    def _rst_stream(self, stream_id: int, content: bytes) -> None:
        if len(content) != 4:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a reset of another size")
        self._known(stream_id)
        self._listener.disturbed(ping=False)
        stream = self._connection.streams.get(stream_id)
        if stream is not None:
            self._connection.close(stream)
            if stream.owner is not None:
                stream.owner.broken(int.from_bytes(content, "big"))

    def _known(self, stream_id: int) -> None:
        """Refuse what is said of a stream that was never opened."""
        connection = self._connection
        last = connection.next_id - 2 if connection.client else connection.highest
        if stream_id % 2 == 0 or stream_id > last:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"stream {stream_id} was not opened")

    def _too_late(self, stream_id: int, stream: Stream | None) -> None:
        """Something was sent on a stream that has ended."""
        if stream is not None:
            self._broken(stream, ErrorCode.STREAM_CLOSED)
        elif stream_id not in self._connection.forgiven:
            self._connection.refuse(stream_id, ErrorCode.STREAM_CLOSED)
            self._listener.disturbed(ping=False)

    def _broken(self, stream: Stream, code: ErrorCode) -> None:
        self._connection.reset(stream, code)
        self._listener.disturbed(ping=False)
        if stream.owner is not None:
            stream.owner.broken(int(code))


def _unpadded(content: bytes) -> bytes:
    if not content:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "padding that is cut short")
    padding = content[0]
    if padding >= len(content):
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "more padding than there is content")
    return content[1 : len(content) - padding]
