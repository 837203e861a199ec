"""Scalars and plain values from JSON: each is exactly of its type, or refused with a ValueError."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from cerebelum_codegen.runtime.jsontext import read_bytes, read_integer, read_real
from cerebelum_codegen.runtime.jsonvalue import JsonValue
from cerebelum_codegen.runtime.wire import MAX_DEPTH, pack_float, unpack_float

_SIGNED_32: Final = range(-(1 << 31), 1 << 31)
_SIGNED_64: Final = range(-(1 << 63), 1 << 63)
_UNSIGNED_32: Final = range(1 << 32)
_UNSIGNED_64: Final = range(1 << 64)
_RANGES: Final = {
    "int32": _SIGNED_32,
    "sint32": _SIGNED_32,
    "sfixed32": _SIGNED_32,
    "int64": _SIGNED_64,
    "sint64": _SIGNED_64,
    "sfixed64": _SIGNED_64,
    "uint32": _UNSIGNED_32,
    "fixed32": _UNSIGNED_32,
    "uint64": _UNSIGNED_64,
    "fixed64": _UNSIGNED_64,
}


def read_scalar(kind: str, value: JsonValue) -> object:
    """A scalar of the type that the contract calls `kind`."""
    match kind:
        case "string":
            return read_text(value)
        case "bytes":
            return read_bytes(read_text(value))
        case "bool":
            if not isinstance(value, bool):
                raise ValueError(f"{_shown(value)} is neither true nor false")
            return value
        case "double" | "float":
            return _real(kind, value)
        case _:
            number = _integer(value)
            if number not in _RANGES[kind]:
                raise ValueError(f"{_shown(number)} is out of range for {kind}")
            return number


def read_key(kind: str, text: str) -> object:
    """The key of a map, which JSON always writes as text."""
    if kind == "bool":
        if text not in ("true", "false"):
            raise ValueError(f"the key {text!r} is neither true nor false")
        return text == "true"
    return read_scalar(kind, text)


def read_text(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{_shown(value)} is no text")
    value.encode()  # a lone surrogate is no text
    return value


def read_object(value: JsonValue) -> Mapping[str, JsonValue]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{_shown(value)} is no object")
    return value


def read_array(value: JsonValue) -> Sequence[JsonValue]:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise ValueError(f"{_shown(value)} is no list")
    return value


def read_struct(value: JsonValue, depth: int) -> dict[str, JsonValue]:
    """A Struct's members."""
    if depth < 0:
        raise ValueError(f"values nest deeper than {MAX_DEPTH}")
    return {read_text(key): read_plain(item, depth - 1) for key, item in read_object(value).items()}


def read_list(value: JsonValue, depth: int) -> list[JsonValue]:
    """A ListValue's items."""
    if depth < 0:
        raise ValueError(f"values nest deeper than {MAX_DEPTH}")
    return [read_plain(item, depth - 1) for item in read_array(value)]


def read_plain(value: JsonValue, depth: int) -> JsonValue:
    """What a Value holds, as it comes from the wire: numbers are floats."""
    match value:
        case None | bool():
            return value
        case str():
            return read_text(value)
        case int() | float():
            return _real("double", value)
        case Mapping():
            return read_struct(value, depth - 1)
        case _:
            return read_list(value, depth - 1)


def _integer(value: JsonValue) -> int:
    match value:
        case bool():
            pass
        case int():
            return value
        case float() if value.is_integer():
            return int(value)
        case str():
            return read_integer(value)
        case _:
            pass
    raise ValueError(f"{_shown(value)} is no integer")


def _real(kind: str, value: JsonValue) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{_shown(value)} is no number")
    named = isinstance(value, str) and not value[-1:].isdigit()
    try:
        number = read_real(value) if isinstance(value, str) else float(value)
        if math.isinf(number) and not named:
            raise OverflowError
        return unpack_float(pack_float(number))[0] if kind == "float" else number
    except OverflowError:
        raise ValueError(f"{_shown(value)} is out of range for {kind}") from None


def _shown(value: object) -> str:
    """A value in an error, cut where it grows long."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):
        return type(value).__name__
    return text if len(text) <= 40 else f"{text[:40]}..."
