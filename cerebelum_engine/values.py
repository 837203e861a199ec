"""Payloads as plain values, for rules only. What a rule cannot read is `UNREADABLE`, never an error."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final, TypeAlias

from cerebelum_proto.types.v1.types_pb import Payload

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"


class Unreadable(Enum):
    """The one value of its kind."""

    UNREADABLE = "unreadable"


UNREADABLE: Final = Unreadable.UNREADABLE
"""A payload of an encoding that is no JSON, or that is not what its encoding says."""


def read(payload: Payload | None) -> Value | Unreadable:
    """The value of a payload: JSON, and of what JSON does not know the nearest that it does.

    Instants are their ISO text, spans their seconds, decimals numbers, bytes base64.
    """
    if payload is None or not payload.encoding:
        return None
    if not payload.encoding.startswith("json"):
        return UNREADABLE
    try:
        parsed = json.loads(payload.data)
        return _plain(parsed) if payload.encoding != "json" else parsed
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return UNREADABLE


def text_of(value: Value | Unreadable) -> str | None:
    """A text as it is; a number, a truth value and null as JSON writes them; nothing else has one."""
    match value:
        case str():
            return value
        case None | bool() | int() | float():
            return json.dumps(value)
        case _:
            return None


def holds_all(value: Value | Unreadable, wanted: Value) -> bool:
    """Whether a value is what is wanted, where a mapping may hold more than is wanted of it."""
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            key in value and holds_all(value[key], member) for key, member in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(value, list)
            and len(value) == len(wanted)
            and all(holds_all(item, want) for item, want in zip(value, wanted, strict=True))
        )
    return value == wanted and isinstance(value, bool) is isinstance(wanted, bool)


def _plain(value: object) -> Value:
    """A value in which what JSON does not know is written as `{"$": kind, "v": ...}`."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, Mapping):
        return value if isinstance(value, bool | int | float | str) else None
    if "$" not in value:
        return {str(key): _plain(item) for key, item in value.items()}
    kind, inner = value["$"], _plain(value.get("v"))
    return _READERS[kind](inner) if kind in _READERS else inner


def _mapping(pairs: Value) -> Value:
    if not isinstance(pairs, list):
        raise TypeError("no pairs")
    return {str(pair[0]): pair[1] for pair in pairs if isinstance(pair, list)}


_READERS: Mapping[str, Callable[..., Value]] = {
    "timedelta": lambda parts: parts[0] * 86_400 + parts[1] + parts[2] / 1_000_000,
    "decimal": float,
    "float": float,
    "dict": _mapping,
}
