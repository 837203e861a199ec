"""Well-known types with a Python form of their own: exact instants and spans, and the empty message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final, Self

from cerebelum_codegen.runtime.errors import EncodeError
from cerebelum_codegen.runtime.wire import MAX_DEPTH, UINT64, read_varint, stray, truncated, unpack_instant, varint

_NS: Final = 1_000_000_000
_MS_NS: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_SECOND: Final = -62_135_596_800
_LAST_SECOND: Final = 253_402_300_799
_LONGEST_SECONDS: Final = 315_576_000_000
_NOTHING: Final = (0, 0)


@dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """An instant, exact to the nanosecond: seconds since 1970-01-01 UTC, and nanoseconds from 0 to 999,999,999."""

    FULL_NAME: ClassVar[str] = "google.protobuf.Timestamp"

    seconds: int = 0
    nanos: int = 0

    def to_bytes(self) -> bytes:
        """The timestamp as a message of its own.

        Raises:
            EncodeError: it is outside of what the contract allows.
        """
        try:
            return write_timestamp(self)
        except (TypeError, ValueError) as error:
            raise EncodeError(f"{self.FULL_NAME}: {error}") from None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The timestamp that is a message of its own.

        Raises:
            DecodeError: the bytes are not such a message.
        """
        return cls(*_read_whole(data))

    @classmethod
    def from_ns(cls, nanoseconds: int) -> Timestamp:
        """The instant so many nanoseconds after 1970-01-01 UTC."""
        seconds = nanoseconds // _NS
        return Timestamp(seconds, nanoseconds - seconds * _NS)

    @classmethod
    def from_ms(cls, milliseconds: int) -> Timestamp:
        """The instant so many milliseconds after 1970-01-01 UTC; the very same one, when it is asked for again.

        For clocks: an instant costs next to nothing then, and so does writing it.

        Raises:
            ValueError: it is outside of what the contract allows.
        """
        ms, moment, _ = _MOMENT[0]
        if ms != milliseconds:
            moment = cls.from_ns(milliseconds * _MS_NS)
            _MOMENT[0] = milliseconds, moment, write_timestamp(moment)
        return moment

    def to_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC."""
        return self.seconds * _NS + self.nanos

    @classmethod
    def from_datetime(cls, instant: datetime) -> Self:
        """The instant of an aware datetime.

        Raises:
            ValueError: the datetime is naive.
        """
        if instant.tzinfo is None:
            raise ValueError(f"{instant!r} has no time zone: pass an aware datetime")
        since = instant - _EPOCH
        return cls(since.days * 86_400 + since.seconds, since.microseconds * 1_000)

    def to_datetime(self) -> datetime:
        """An aware datetime in UTC. It holds microseconds: the last three digits fall away."""
        return _EPOCH + timedelta(0, self.seconds, self.nanos // 1_000)


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A span of time, exact to the nanosecond; both parts have the same sign."""

    FULL_NAME: ClassVar[str] = "google.protobuf.Duration"

    seconds: int = 0
    nanos: int = 0

    def to_bytes(self) -> bytes:
        """The duration as a message of its own.

        Raises:
            EncodeError: it is outside of what the contract allows.
        """
        try:
            return write_duration(self)
        except (TypeError, ValueError) as error:
            raise EncodeError(f"{self.FULL_NAME}: {error}") from None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The duration that is a message of its own.

        Raises:
            DecodeError: the bytes are not such a message.
        """
        return cls(*_read_whole(data))

    @classmethod
    def from_ns(cls, nanoseconds: int) -> Self:
        """A span of so many nanoseconds."""
        sign = -1 if nanoseconds < 0 else 1
        seconds, nanos = divmod(abs(nanoseconds), _NS)
        return cls(sign * seconds, sign * nanos)

    def to_ns(self) -> int:
        """The span in nanoseconds."""
        return self.seconds * _NS + self.nanos

    @classmethod
    def from_timedelta(cls, span: timedelta) -> Self:
        """The span of a timedelta, exact."""
        return cls.from_ns((span.days * 86_400 + span.seconds) * _NS + span.microseconds * 1_000)

    def to_timedelta(self) -> timedelta:
        """A timedelta. It holds microseconds: the last three digits fall away."""
        return timedelta(seconds=self.seconds, microseconds=int(self.nanos / 1_000))


def write_timestamp(value: Timestamp) -> bytes:
    """The body of a Timestamp."""
    if not isinstance(value, Timestamp):
        raise TypeError(f"{type(value).__name__} is not Timestamp")
    _, moment, body = _MOMENT[0]
    if value is moment:
        return body
    moment, body = _READ[0]
    if value is moment:
        return body
    seconds, nanos = value.seconds, value.nanos
    if not (_FIRST_SECOND <= seconds <= _LAST_SECOND and 0 <= nanos < _NS):
        raise ValueError(f"{value} is outside of 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z")
    return _write(seconds, nanos)


_MOMENT: Final[list[tuple[int, Timestamp, bytes]]] = [(0, Timestamp(), b"")]
"""The last instant that `from_ms` gave, and how it is written: what happens within a millisecond shares both."""
_READ: Final[list[tuple[Timestamp, bytes]]] = [(Timestamp(), b"")]
"""The last instant that was read, and how it was written: what happened within a millisecond comes together."""


def write_duration(value: Duration) -> bytes:
    """The body of a Duration."""
    if not isinstance(value, Duration):
        raise TypeError(f"{type(value).__name__} is not Duration")
    if abs(value.seconds) > _LONGEST_SECONDS or abs(value.nanos) >= _NS or value.seconds * value.nanos < 0:
        raise ValueError(f"{value} is outside of +-10,000 years or its parts differ in sign")
    return _write(value.seconds, value.nanos)


def _write(seconds: int, nanos: int) -> bytes:
    # Both are in range: what is written needs no second look.
    body = _written_seconds(seconds) if seconds else b""
    if nanos < 1 << 28:
        return body + b"\x10" + varint(nanos & UINT64) if nanos else body
    last = (nanos & 127 | 128, nanos >> 7 & 127 | 128, nanos >> 14 & 127 | 128, nanos >> 21 & 127 | 128, nanos >> 28)
    return body + b"\x10" + bytes(last)


def _written_seconds(seconds: int) -> bytes:
    written = _WRITTEN.get(seconds)
    if written is None:
        if len(_WRITTEN) >= _MOST_WRITTEN:
            _WRITTEN.clear()
        written = _WRITTEN[seconds] = b"\x08" + varint(seconds & UINT64)
    return written


_WRITTEN: Final[dict[int, bytes]] = {}
"""Seconds as they are written: what is written at one time is mostly of a few of them."""
_MOST_WRITTEN: Final = 1024


def _read_whole(data: bytes) -> tuple[int, int]:
    try:
        return _read(data, 0, len(data), MAX_DEPTH, _NOTHING)
    except IndexError:
        raise truncated() from None


def read_timestamp(data: bytes, at: int, end: int, depth: int, before: Timestamp | None) -> Timestamp:
    """The Timestamp whose body lies between `at` and `end`; it goes on where `before` stopped."""
    if 10 < end - at < 13 and before is None:
        body = data[at:end]
        last, known = _READ[0]
        if body == known:
            return last
        # As nearly all are written since 1978. Each byte but the last of a number has a mark, to be taken away.
        first, a, b, c, d, e, second, f, g, h, i = unpack_instant(data, at)
        if first == 8 and second == 16 and a & b & c & d & f & g & h > 127 > e > 0:
            seconds = a + (b << 7) + (c << 14) + (d << 21) + (e << 28) - 0x10204080
            nanos = f + (g << 7) + (h << 14) + (i << 21) - 0x204080
            if end - at == 12 and i > 127 and 0 < data[at + 11] < 8:
                return _keep_read(Timestamp(seconds, nanos + (data[at + 11] - 1 << 28)), body)
            if end - at == 11 and 0 < i < 128:
                return _keep_read(Timestamp(seconds, nanos), body)
    seconds, nanos = _read(data, at, end, depth, _NOTHING if before is None else (before.seconds, before.nanos))
    return Timestamp(seconds, nanos)


def _keep_read(moment: Timestamp, body: bytes) -> Timestamp:
    if moment.nanos < _NS:
        _READ[0] = moment, body  # no other bytes could be written for it
    return moment


def read_duration(data: bytes, at: int, end: int, depth: int, before: Duration | None) -> Duration:
    """The Duration whose body lies between `at` and `end`; it goes on where `before` stopped."""
    seconds, nanos = _read(data, at, end, depth, _NOTHING if before is None else (before.seconds, before.nanos))
    return Duration(seconds, nanos)


def _read(data: bytes, at: int, end: int, depth: int, before: tuple[int, int]) -> tuple[int, int]:
    seconds, nanos = before
    while at < end:
        start, tag = at, data[at]
        if tag == 8:
            seconds, at = read_varint(data, at + 1)
            if seconds > 0x7FFFFFFFFFFFFFFF:
                seconds -= 1 << 64
            tag = data[at] if at < end else 0
        if tag == 16:
            nanos, at = read_varint(data, at + 1)
            if nanos > 0x7FFFFFFF:
                nanos = (nanos & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
        if at == start:
            data, at, end = stray(data, at, end, depth, [])
    if at > end:
        raise truncated()
    return seconds, nanos
