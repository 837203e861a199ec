"""The wire format's primitives: varints, fixed-width numbers, and skipping what is unknown."""

from __future__ import annotations

from struct import Struct
from typing import Final

from cerebelum_codegen.runtime.errors import DecodeError

MAX_DEPTH: Final = 100
"""How deep messages may nest, as in Google's libraries."""

pack_double = Struct("<d").pack
pack_float = Struct("<f").pack
pack_fixed32 = Struct("<I").pack
pack_fixed64 = Struct("<Q").pack
pack_sfixed32 = Struct("<i").pack
pack_sfixed64 = Struct("<q").pack
unpack_double = Struct("<d").unpack_from
unpack_float = Struct("<f").unpack_from
unpack_fixed32 = Struct("<I").unpack_from
unpack_fixed64 = Struct("<Q").unpack_from
unpack_sfixed32 = Struct("<i").unpack_from
unpack_sfixed64 = Struct("<q").unpack_from
unpack_instant = Struct("11B").unpack_from
"""A Timestamp as nearly all are: a tag, five bytes of seconds, a tag, four bytes of nanoseconds or more."""
unpack_entry = tuple([Struct(f"4B{key}s4B").unpack_from for key in range(256)])
"""An entry of a Struct, by the length of its key: tag, length, tag, length, key, tag, length, two bytes of value."""

_pack1, _pack2, _pack3, _pack4 = [Struct(f"{count}B").pack for count in range(1, 5)]

_END_GROUP: Final = 4
UINT64: Final = (1 << 64) - 1


def varint(number: int) -> bytes:
    """A non-negative number in base 128, lowest digits first."""
    if number < 128:
        return _pack1(number)
    if number < 1 << 14:
        return _pack2(number & 127 | 128, number >> 7)
    if number < 1 << 21:
        return _pack3(number & 127 | 128, number >> 7 & 127 | 128, number >> 14)
    if number < 1 << 28:
        return _pack4(number & 127 | 128, number >> 7 & 127 | 128, number >> 14 & 127 | 128, number >> 21)
    lowest = _pack4(number & 127 | 128, number >> 7 & 127 | 128, number >> 14 & 127 | 128, number >> 21 & 127 | 128)
    return lowest + varint(number >> 28)


SMALL: Final = tuple(varint(number) for number in range(1024))
"""The varints of 0 to 1023, ready made: nearly every length and most numbers."""


def size(length: int) -> bytes:
    """A length as varint."""
    return SMALL[length] if length < 1024 else varint(length)


def int32(number: int) -> bytes:
    if not -0x80000000 <= number <= 0x7FFFFFFF:
        raise _out_of_range(number, "int32")
    return varint(number & UINT64)


def int64(number: int) -> bytes:
    if not -0x8000000000000000 <= number <= 0x7FFFFFFFFFFFFFFF:
        raise _out_of_range(number, "int64")
    return varint(number & UINT64)


def uint32(number: int) -> bytes:
    if not 0 <= number <= 0xFFFFFFFF:
        raise _out_of_range(number, "uint32")
    return varint(number & UINT64)


def uint64(number: int) -> bytes:
    if not 0 <= number <= UINT64:
        raise _out_of_range(number, "uint64")
    return varint(number & UINT64)


def sint32(number: int) -> bytes:
    if not -0x80000000 <= number <= 0x7FFFFFFF:
        raise _out_of_range(number, "sint32")
    return varint((number << 1 ^ number >> 31) & 0xFFFFFFFF)


def sint64(number: int) -> bytes:
    if not -0x8000000000000000 <= number <= 0x7FFFFFFFFFFFFFFF:
        raise _out_of_range(number, "sint64")
    return varint((number << 1 ^ number >> 63) & UINT64)


def boolean(value: bool) -> bytes:
    if value is True:
        return b"\x01"
    if value is False:
        return b"\x00"
    raise TypeError(f"{type(value).__name__} is not bool")


def octets(value: object) -> bytes:
    """What a field of bytes holds when it is not exactly `bytes`."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise TypeError(f"{type(value).__name__} is not bytes")


def is_default_float(value: float) -> bool:
    """Whether a number is the +0.0 that implicit presence leaves out; -0.0 is not."""
    return value == 0 and str(value)[0] != "-"


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The varint at `at`, and where it ends. At most ten bytes; bits above 64 fall away."""
    # Five bytes hold an instant's seconds. Taking 1 from a byte takes the mark of the one before it away.
    number = data[at]
    if number < 128:
        return number, at + 1
    byte = data[at + 1]
    number += byte - 1 << 7
    if byte < 128:
        return number, at + 2
    byte = data[at + 2]
    number += byte - 1 << 14
    if byte < 128:
        return number, at + 3
    byte = data[at + 3]
    number += byte - 1 << 21
    if byte < 128:
        return number, at + 4
    byte = data[at + 4]
    number += byte - 1 << 28
    if byte < 128:
        return number, at + 5
    return _read_long_varint(data, at + 5, number)


def signed(number: int) -> int:
    """The number of 64 bits that these digits stand for when the highest is a sign."""
    return number - (1 << 64) if number >= 1 << 63 else number


def _read_long_varint(data: bytes, at: int, number: int) -> tuple[int, int]:
    for shift in range(35, 70, 7):
        byte = data[at]
        at += 1
        number += byte - 1 << shift
        if byte < 128:
            return number & UINT64, at
    raise DecodeError("a varint is longer than ten bytes")


def read_tag(data: bytes, at: int) -> tuple[int, int]:
    """The tag at `at`, and where it ends. At most five bytes."""
    tag, stop = read_varint(data, at)
    if stop - at > 5:
        raise DecodeError("a tag is longer than five bytes")
    return tag, stop


def read_size(data: bytes, at: int) -> tuple[int, int]:
    """The length at `at`, and where it ends. At most five bytes."""
    number = data[at]
    if number < 128:
        return number, at + 1
    byte = data[at + 1]
    if byte < 128:
        return number + (byte - 1 << 7), at + 2
    number, stop = read_varint(data, at)
    if stop - at > 5:
        raise DecodeError("a length is longer than five bytes")
    return number, stop


def skip(data: bytes, at: int, end: int, tag: int, depth: int) -> int:
    """Where the field with this tag ends, which no one knows here."""
    number, wire_type = tag >> 3, tag & 7
    if number == 0 or tag > 0xFFFFFFFF:
        raise DecodeError(f"field number {number} is not allowed")
    if wire_type == 0:
        at = read_varint(data, at)[1]
    elif wire_type == 1:
        at += 8
    elif wire_type == 2:
        length, at = read_size(data, at)
        at += length
    elif wire_type == 3:
        at = _skip_group(data, at, end, number, depth - 1)
    elif wire_type == 5:
        at += 4
    else:
        raise DecodeError(f"field {number} has wire type {wire_type}, which means nothing here")
    if at > end:
        raise truncated()
    return at


def stray(data: bytes, at: int, end: int, depth: int, unknown: list[bytes]) -> tuple[bytes, int, int]:
    """Keep the field at `at`, whose tag a message does not know, and go on behind it: the data, where, and its end.

    A tag may be spelt longer than it need be, and be known all the same: then the data is written anew, its tags short.
    """
    tag, begin = read_tag(data, at)
    if begin - at > 1 and tag >> 7 * (begin - at - 1) == 0:
        data = shortly_tagged(data, at, end, depth)
        return data, 0, len(data)
    stop = skip(data, begin, end, tag, depth)
    unknown.append(data[at:stop])
    return data, stop, end


def shortly_tagged(data: bytes, at: int, end: int, depth: int) -> bytes:
    """The fields between `at` and `end`, each behind the shortest spelling of its tag."""
    fields: list[bytes] = []
    while at < end:
        tag, at = read_tag(data, at)
        stop = skip(data, at, end, tag, depth)
        fields += (varint(tag), data[at:stop])
        at = stop
    return b"".join(fields)


def kept(before: bytes | bytearray, unknown: list[bytes]) -> bytes | bytearray:
    """The unknown fields of a message and further ones.

    They grow in place: a message may come in very many parts, and a copy for each would take the square of their time.
    """
    if not before:
        return b"".join(unknown)
    grown = before if isinstance(before, bytearray) else bytearray(before)
    grown += b"".join(unknown)
    return grown


def _skip_group(data: bytes, at: int, end: int, number: int, depth: int) -> int:
    return group(data, at, end, number, depth)[1]


def group(data: bytes, at: int, end: int, number: int, depth: int) -> tuple[int, int]:
    """Where the body of the group that begins at `at` ends, and where its closing tag does."""
    if depth < 0:
        raise too_deep()
    while at < end:
        stop = at
        tag, at = read_tag(data, at)
        if tag & 7 == _END_GROUP:
            if tag >> 3 != number:
                raise DecodeError(f"group {number} is closed as group {tag >> 3}")
            return stop, at
        at = skip(data, at, end, tag, depth)
    raise truncated()


def truncated() -> DecodeError:
    return DecodeError("the bytes end in the middle of a field")


def too_deep() -> DecodeError:
    return DecodeError(f"messages nest deeper than {MAX_DEPTH}")


def endless() -> RecursionError:
    """What is written must not nest deeper than anybody would read, nor hold itself."""
    return RecursionError(f"messages nest deeper than {MAX_DEPTH}")


def _out_of_range(number: int, kind: str) -> ValueError:
    return ValueError(f"{number} is out of range for {kind}")
