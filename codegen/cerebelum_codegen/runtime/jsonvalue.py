"""`google.protobuf.Struct`, `Value` and `ListValue` as plain Python values, in one pass each way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from cerebelum_codegen.runtime.wire import (
    pack_double,
    read_varint,
    size,
    skip,
    too_deep,
    truncated,
    unpack_double,
)

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
"""What a Struct can hold. Decoded: dict, list, str, float, bool and None."""

_EXACT = 1 << 53


def write_struct(value: Mapping[str, JsonValue]) -> bytes:
    """The body of a Struct.

    Raises:
        TypeError, ValueError: for what a Struct cannot hold, an integer beyond 2**53 included; with its path.
    """
    out: list[bytes] = []
    for key, item in value.items():
        if not isinstance(key, str):
            raise TypeError(f"{key!r} is no key of a Struct: keys are str")
        name = key.encode()
        try:
            body = write_value(item)
        except (TypeError, ValueError) as error:
            raise _at(f"[{key!r}]", error) from None
        entry = b"".join((b"\n", size(len(name)), name, b"\x12", size(len(body)), body))
        out += (b"\n", size(len(entry)), entry)
    return b"".join(out)


def write_list(value: Sequence[JsonValue]) -> bytes:
    """The body of a ListValue."""
    out: list[bytes] = []
    for position, item in enumerate(value):
        try:
            body = write_value(item)
        except (TypeError, ValueError) as error:
            raise _at(f"[{position}]", error) from None
        out += (b"\n", size(len(body)), body)
    return b"".join(out)


def write_value(value: JsonValue) -> bytes:
    """The body of a Value."""
    kind = type(value)
    if kind is str:
        body = value.encode()  # type: ignore[union-attr]  # `kind` is its exact type, which mypy does not follow
        return b"\x1a" + size(len(body)) + body
    if kind is float:
        return b"\x11" + pack_double(value)
    if value is None:
        return b"\x08\x00"
    if value is True:
        return b" \x01"
    if value is False:
        return b" \x00"
    return _write_other(value)


def _write_other(value: JsonValue) -> bytes:
    if isinstance(value, Mapping):
        body = write_struct(value)
        return b"*" + size(len(body)) + body
    if isinstance(value, str):
        body = str.encode(value)
        return b"\x1a" + size(len(body)) + body
    if isinstance(value, int):
        if not -_EXACT <= value <= _EXACT:
            raise ValueError(f": {value} is beyond 2**53, where a Struct's numbers lose digits")
        return b"\x11" + pack_double(value)
    if isinstance(value, float):
        return b"\x11" + pack_double(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        body = write_list(value)
        return b"2" + size(len(body)) + body
    raise TypeError(f": a Struct cannot hold {type(value).__name__}")


def _at(place: str, error: Exception) -> Exception:
    """The error with the path to what is at fault."""
    kind = TypeError if isinstance(error, TypeError) else ValueError
    text = str(error)
    return kind(place + (text if text.startswith(("[", ":")) else f": {text}"))


def read_struct(data: bytes, at: int, end: int, depth: int) -> dict[str, JsonValue]:
    """The Struct whose body lies between `at` and `end`."""
    if depth < 0:
        raise too_deep()
    found: dict[str, JsonValue] = {}
    while at < end:
        tag = data[at]
        at += 1
        if tag != 10:
            at = _skip(data, at, end, depth)
            continue
        length = data[at]
        at += 1
        if length > 127:
            length, at = read_varint(data, at - 1)
        stop = at + length
        if stop > end:
            raise truncated()
        key, found_value = _read_entry(data, at, stop, depth)
        found[key] = found_value
        at = stop
    return found


def _read_entry(data: bytes, at: int, end: int, depth: int) -> tuple[str, JsonValue]:
    key = ""
    value: JsonValue = None
    while at < end:
        tag = data[at]
        at += 1
        if tag not in (10, 18):
            at = _skip(data, at, end, depth)
            continue
        length = data[at]
        at += 1
        if length > 127:
            length, at = read_varint(data, at - 1)
        stop = at + length
        if stop > end:
            raise truncated()
        if tag == 10:
            key = data[at:stop].decode()
        else:
            value = read_value(data, at, stop, depth - 1, value)
        at = stop
    return key, value


def read_list(data: bytes, at: int, end: int, depth: int) -> list[JsonValue]:
    """The ListValue whose body lies between `at` and `end`."""
    if depth < 0:
        raise too_deep()
    found: list[JsonValue] = []
    while at < end:
        tag = data[at]
        at += 1
        if tag != 10:
            at = _skip(data, at, end, depth)
            continue
        length = data[at]
        at += 1
        if length > 127:
            length, at = read_varint(data, at - 1)
        stop = at + length
        if stop > end:
            raise truncated()
        found.append(read_value(data, at, stop, depth - 1))
        at = stop
    return found


def read_value(data: bytes, at: int, end: int, depth: int, value: JsonValue = None) -> JsonValue:
    """The Value whose body lies between `at` and `end`; the last member on the wire wins.

    `value` is what an earlier part of the same Value held: a struct or list goes on where it stopped.
    """
    while at < end:
        tag = data[at]
        at += 1
        if tag == 0x11:
            value = unpack_double(data, at)[0]
            at += 8
        elif tag == 0x20:
            number, at = read_varint(data, at)
            value = number != 0
        elif tag == 0x08:
            _, at = read_varint(data, at)
            value = None
        elif tag in (0x1A, 0x2A, 0x32):
            length, at = read_varint(data, at)
            stop = at + length
            if stop > end:
                raise truncated()
            value = _read_sized(data, at, stop, tag, depth, value)
            at = stop
        else:
            at = _skip(data, at, end, depth)
    if at > end:
        raise truncated()
    return value


def _read_sized(data: bytes, at: int, end: int, tag: int, depth: int, before: JsonValue) -> JsonValue:
    if tag == 0x1A:
        return data[at:end].decode()
    if tag == 0x2A:
        members = read_struct(data, at, end, depth - 1)
        return {**before, **members} if isinstance(before, dict) else members
    items = read_list(data, at, end, depth - 1)
    return [*before, *items] if isinstance(before, list) else items


def _skip(data: bytes, at: int, end: int, depth: int) -> int:
    tag, at = read_varint(data, at - 1)
    return skip(data, at, end, tag, depth)
