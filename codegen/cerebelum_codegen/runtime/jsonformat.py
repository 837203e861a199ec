"""JSON texts and plain values of whole messages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, NoReturn, TypeVar, cast

from cerebelum_codegen.runtime.errors import DecodeError, EncodeError
from cerebelum_codegen.runtime.jsonreader import JsonReader
from cerebelum_codegen.runtime.jsonvalue import JsonValue
from cerebelum_codegen.runtime.jsonwriter import JsonWriter
from cerebelum_codegen.runtime.message import Message
from cerebelum_codegen.runtime.required import complete

_M = TypeVar("_M", bound=Message)
_COMPACT: Final = (",", ":")


def write(message: Message, proto_names: bool, defaults: bool, indent: int | None) -> str:
    """A message as JSON text."""
    separators = _COMPACT if indent is None else None
    return json.dumps(
        _written(message, proto_names, defaults), ensure_ascii=False, indent=indent, separators=separators
    )


def to_object(message: Message, proto_names: bool, defaults: bool) -> dict[str, JsonValue]:
    """A message as the object that its JSON is."""
    written = _written(message, proto_names, defaults)
    if not isinstance(written, dict):
        raise EncodeError(f"{message.FULL_NAME}: its form in JSON is no object: use to_json")
    return written


def _written(message: Message, proto_names: bool, defaults: bool) -> JsonValue:
    message.to_bytes()  # what it refuses has no form in JSON either
    try:
        return JsonWriter(proto_names, defaults).message(message)
    except EncodeError:
        raise
    except ValueError as error:
        raise EncodeError(f"{message.FULL_NAME}: {error}") from None


def read(kind: type[_M], text: str | bytes, ignore_unknown: bool) -> _M:
    """A message from JSON text."""
    try:
        data = json.loads(text, object_pairs_hook=_members, parse_float=_finite, parse_constant=_no_constant)
    except RecursionError:
        raise DecodeError(f"{kind.FULL_NAME}: the JSON nests too deep") from None
    except ValueError as error:
        raise DecodeError(f"{kind.FULL_NAME}: this is not JSON ({error})") from None
    return complete(JsonReader(ignore_unknown).message(kind, cast("JsonValue", data)))


def from_object(kind: type[_M], data: Mapping[str, JsonValue], ignore_unknown: bool) -> _M:
    """A message from the object that its JSON is."""
    return complete(JsonReader(ignore_unknown).message(kind, data))


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has a member twice")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text} is out of range")
    return number


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no value of JSON")
