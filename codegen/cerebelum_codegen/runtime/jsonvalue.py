"""`google.protobuf.Struct`, `Value` and `ListValue` as plain Python values, in one pass each way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

from cerebelum_codegen.runtime.enum import NullValue
from cerebelum_codegen.runtime.wire import (
    MAX_DEPTH,
    SMALL,
    endless,
    pack_double,
    read_size,
    read_varint,
    size,
    stray,
    too_deep,
    truncated,
    unpack_double,
    unpack_entry,
    varint,
)

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
"""What a Struct can hold. Decoded: dict, list, str, float, bool and None."""

_EXACT = 1 << 53


def write_struct(value: Mapping[str, JsonValue], depth: int = MAX_DEPTH) -> bytes:
    """The body of a Struct.

    Raises:
        TypeError, ValueError: for what a Struct cannot hold, an integer beyond 2**53 included; with its path.
        RecursionError: for values that nest deeper than anybody would read them.
    """
    if depth < 0:
        raise endless()
    out: list[bytes] = []
    for key, item in cast("Mapping[object, JsonValue]", value).items():
        if not isinstance(key, str):
            raise TypeError(f"{key!r} is no key of a Struct: keys are str")
        try:
            name = key.encode()
            body = _write_text(item) if type(item) is str else write_value(item, depth - 1)
        except (TypeError, ValueError) as error:
            raise _at(f"[{key!r}]", error) from None
        k, n = len(name), len(body)
        if k < 128 and n < 512:
            length = k + n + (4 if n < 128 else 5)
            out += (b"\n", SMALL[length], b"\n", SMALL[k], name, b"\x12", SMALL[n], body)
        else:
            entry = b"\n" + size(k) + name + b"\x12" + size(n) + body
            out += (b"\n", size(len(entry)), entry)
    return b"".join(out)


def write_list(value: Sequence[JsonValue], depth: int = MAX_DEPTH) -> bytes:
    """The body of a ListValue."""
    if depth < 0:
        raise endless()
    out: list[bytes] = []
    for position, item in enumerate(value):
        try:
            body = _write_text(item) if type(item) is str else write_value(item, depth - 1)
        except (TypeError, ValueError) as error:
            raise _at(f"[{position}]", error) from None
        n = len(body)
        out += (b"\n", SMALL[n] if n < 1024 else varint(n), body)
    return b"".join(out)


def _write_text(text: str) -> bytes:
    data = str.encode(text)
    n = len(data)
    return b"\x1a" + (SMALL[n] if n < 1024 else varint(n)) + data


def write_value(value: JsonValue, depth: int = MAX_DEPTH) -> bytes:
    """The body of a Value."""
    if isinstance(value, float):
        return b"\x11" + pack_double(value)
    if value is None:
        return b"\x08\x00"
    if value is True:
        return b" \x01"
    if value is False:
        return b" \x00"
    if isinstance(value, dict):
        return _sized(b"*", write_struct(value, depth - 1))
    if isinstance(value, list):
        return _sized(b"2", write_list(value, depth - 1))
    if isinstance(value, NullValue):
        return b"\x08\x00"
    if isinstance(value, str):
        return _sized(b"\x1a", str.encode(value))
    if isinstance(value, int):
        if not -_EXACT <= value <= _EXACT:
            raise ValueError(f": {value} is beyond 2**53, where a Struct's numbers lose digits")
        return b"\x11" + pack_double(value)
    return _write_other(value, depth)


def _write_other(value: JsonValue, depth: int) -> bytes:
    """Mappings and sequences that are not exactly dict and list; to ask for them takes its time."""
    if isinstance(value, Mapping):
        return _sized(b"*", write_struct(value, depth - 1))
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return _sized(b"2", write_list(value, depth - 1))
    raise TypeError(f": a Struct cannot hold {type(value).__name__}")


def _sized(tag: bytes, body: bytes) -> bytes:
    return tag + size(len(body)) + body


def _at(place: str, error: Exception) -> Exception:
    """The error with the path to what is at fault."""
    kind = TypeError if isinstance(error, TypeError) else ValueError
    text = str(error)
    return kind(place + (text if text.startswith(("[", ":")) else f": {text}"))


def read_struct(
    data: bytes, at: int, end: int, depth: int, before: Mapping[str, JsonValue] | None = None
) -> dict[str, JsonValue]:
    """The Struct whose body lies between `at` and `end`; it goes on where `before` stopped."""
    if depth < 0:
        raise too_deep()
    # What is a dict already grows where it is, as lists do: a copy for each part would take the square of their time.
    found: dict[str, JsonValue] = {} if before is None else before if isinstance(before, dict) else dict(before)
    last = end - 7
    while at < end:
        # As everybody writes it: a short key, then a short value. What is spelt otherwise is read with more care.
        if at < last and at + (k := data[at + 3]) < last:
            entry, n, first, _, name, second, m, kind, inner = unpack_entry[k](data, at)
            stop = at + 2 + n
            if entry == first == 10 and second == 18 and n == k + 4 + m < 128 and stop <= end:
                key, at = name.decode(), at + 8 + k
                if kind == 0x1A and inner == m - 2:
                    found[key] = data[at:stop].decode()
                elif kind == 0x11 and m == 9:
                    found[key] = unpack_double(data, at - 1)[0]
                elif kind == 0x2A and inner == m - 2:
                    found[key] = read_struct(data, at, stop, depth - 2)
                elif kind == 0x32 and inner == m - 2:
                    found[key] = read_list(data, at, stop, depth - 2)
                else:
                    found[key] = read_value(data, at - 2, stop, depth - 1)
                at = stop
                continue
        if data[at] != 10:
            data, at, end = stray(data, at, end, depth, [])
            last = end - 7
            continue
        n, at = read_size(data, at + 1)
        stop = at + n
        if stop > end:
            raise truncated()
        key, found[key] = _read_entry(data, at, stop, depth)
        at = stop
    return found


def _read_entry(data: bytes, at: int, end: int, depth: int) -> tuple[str, JsonValue]:
    key = ""
    value: JsonValue = None
    while at < end:
        tag = data[at]
        at += 1
        if tag not in (10, 18):
            data, at, end = stray(data, at - 1, end, depth, [])
            continue
        length = data[at]
        at += 1
        if length > 127:
            length, at = read_size(data, at - 1)
        stop = at + length
        if stop > end:
            raise truncated()
        if tag == 10:
            key = data[at:stop].decode()
        else:
            value = read_value(data, at, stop, depth - 1, value)
        at = stop
    return key, value


def read_list(data: bytes, at: int, end: int, depth: int, before: Sequence[JsonValue] | None = None) -> list[JsonValue]:
    """The ListValue whose body lies between `at` and `end`; it goes on where `before` stopped."""
    if depth < 0:
        raise too_deep()
    found: list[JsonValue] = [] if before is None else before if isinstance(before, list) else list(before)
    while at < end:
        if data[at] != 10:
            data, at, end = stray(data, at, end, depth, [])
            continue
        n = data[at + 1]
        at += 2
        if n > 127:
            n, at = read_size(data, at - 1)
        stop = at + n
        if stop > end:
            raise truncated()
        if 1 < n < 130 and data[at + 1] == n - 2 and data[at] == 0x1A:
            found.append(data[at + 2 : stop].decode())
        else:
            found.append(read_value(data, at, stop, depth - 1))
        at = stop
    return found


def read_value(data: bytes, at: int, end: int, depth: int, before: JsonValue = None) -> JsonValue:
    """The Value whose body lies between `at` and `end`; the last member on the wire wins.

    `before` is what an earlier part of the same Value held: a struct or list goes on where it stopped.
    """
    # One member and nothing else is what nearly every Value is.
    length = end - at
    if length > 1:
        kind, n = data[at], data[at + 1]
        if kind == 0x11 and length == 9:
            number: float = unpack_double(data, at + 1)[0]
            return number
        if kind == 0x20 and length == 2 and n < 2:
            return n == 1
        if kind == 0x08 and length == 2 and n < 128:
            return None
        if n == length - 2 < 128 and before is None:
            if kind == 0x1A:
                return data[at + 2 : end].decode()
            if kind == 0x2A:
                return read_struct(data, at + 2, end, depth - 1)
            if kind == 0x32:
                return read_list(data, at + 2, end, depth - 1)
    return _read_members(data, at, end, depth, before)


def _read_members(data: bytes, at: int, end: int, depth: int, value: JsonValue) -> JsonValue:
    while at < end:
        tag = data[at]
        at += 1
        if tag in (0x1A, 0x2A, 0x32):
            n, at = read_size(data, at)
            stop = at + n
            if stop > end:
                raise truncated()
            value = _read_sized(data, at, stop, tag, depth, value)
            at = stop
        elif tag == 0x08:
            _, at = read_varint(data, at)
            value = None
        elif tag == 0x11:
            value = unpack_double(data, at)[0]
            at += 8
        elif tag == 0x20:
            number, at = read_varint(data, at)
            value = number != 0
        else:
            data, at, end = stray(data, at - 1, end, depth, [])
    if at > end:
        raise truncated()
    return value


def said(value: JsonValue) -> JsonValue:
    """What a single field of type Value holds when it is there: a null that is said is told from a silent field."""
    return NullValue.NULL_VALUE if value is None else value


def _read_sized(data: bytes, at: int, end: int, tag: int, depth: int, before: JsonValue) -> JsonValue:
    if tag == 0x1A:
        return data[at:end].decode()
    if tag == 0x2A:
        return read_struct(data, at, end, depth - 1, before if isinstance(before, dict) else None)
    return read_list(data, at, end, depth - 1, before if isinstance(before, list) else None)
