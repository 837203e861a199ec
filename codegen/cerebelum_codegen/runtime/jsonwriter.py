"""From messages to JSON, by their descriptions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from cerebelum_codegen.known import any_pb, field_mask_pb, struct_pb
from cerebelum_codegen.runtime.descriptor import FieldDescriptor, extensions_of, fields_of, held, names_of
from cerebelum_codegen.runtime.enum import ClosedEnum, Enum, NullValue
from cerebelum_codegen.runtime.errors import EncodeError
from cerebelum_codegen.runtime.jsonknown import SPECIAL, WRAPPERS, packable
from cerebelum_codegen.runtime.jsontext import bytes_text, instant_text, mask_text, span_text
from cerebelum_codegen.runtime.jsonvalue import JsonValue
from cerebelum_codegen.runtime.message import Message
from cerebelum_codegen.runtime.wire import MAX_DEPTH, is_default_float, pack_float, unpack_float
from cerebelum_codegen.runtime.wkt import Duration, Timestamp

if TYPE_CHECKING:
    from cerebelum_codegen.runtime.descriptor import FieldKind

_LARGEST_FLOAT: Final = unpack_float(b"\xff\xff\x7f\x7f")[0]
_QUOTED: Final = frozenset({"int64", "uint64", "sint64", "fixed64", "sfixed64"})
"""Numbers that many readers of JSON would cut short."""


@dataclass(frozen=True, slots=True)
class JsonWriter:
    """How messages become JSON."""

    proto_names: bool
    defaults: bool

    def message(self, message: Message, depth: int = MAX_DEPTH) -> JsonValue:
        """A message, in its special form if it has one."""
        if depth < 0:
            raise EncodeError(f"messages nest deeper than {MAX_DEPTH}")
        match message:
            case any_pb.Any():
                return self._any(message, depth)
            case field_mask_pb.FieldMask():
                return mask_text(message.paths)
            case struct_pb.Struct():
                return plain(message.fields)
            case struct_pb.ListValue():
                return plain(message.values)
            case struct_pb.Value():
                return plain(message.kind.value if message.kind is not None else None)
            case _ if isinstance(message, WRAPPERS):
                return self._value(fields_of(type(message))[0].kind, message.value, depth)
            case _:
                return self._object(message, depth)

    def _object(self, message: Message, depth: int) -> dict[str, JsonValue]:
        found: dict[str, JsonValue] = {}
        for field, value in held(message):
            if self.defaults or not _is_silent(field, value):
                found[field.name if self.proto_names else field.json] = self._named(message, field, value, depth)
        for holder in extensions_of(message.FULL_NAME) if message._unknown else ():
            for field, value in held(holder.from_bytes(bytes(message._unknown))):
                if not _is_silent(field, value):
                    found[field.json] = self._named(message, field, value, depth)
        return found

    def _named(self, message: Message, field: FieldDescriptor, value: object, depth: int) -> JsonValue:
        try:
            return self._field(field, value, depth)
        except EncodeError:
            raise
        except ValueError as error:
            raise EncodeError(f"{message.FULL_NAME}.{field.attribute}: {error}") from None

    def _field(self, field: FieldDescriptor, value: object, depth: int) -> JsonValue:
        if field.key:
            entries = cast("Mapping[object, object]", value).items()
            return {_key_text(key): self._value(field.kind, item, depth) for key, item in entries}
        if field.repeated:
            return [self._value(field.kind, item, depth) for item in cast("Sequence[object]", value)]
        return self._value(field.kind, value, depth)

    def _value(self, kind: FieldKind, value: object, depth: int) -> JsonValue:
        match value:
            case Timestamp():
                return instant_text(value)
            case Duration():
                return span_text(value)
            case Message():
                return self.message(value, depth - 1)
            case NullValue() if value == NullValue.NULL_VALUE:
                return None
            case Enum() | ClosedEnum():
                return _enum_text(value)
            case _:
                return self._plain_value(kind, value, depth)

    def _plain_value(self, kind: FieldKind, value: object, depth: int) -> JsonValue:
        """A value that its own class does not tell the type of."""
        if isinstance(kind, str):
            return scalar_json(kind, value)
        if kind in WRAPPERS:
            return self._value(fields_of(cast("type[Message]", kind))[0].kind, value, depth)
        return _enum_text(cast("type[Enum]", kind)(cast("int", value)))

    def _any(self, message: any_pb.Any, depth: int) -> JsonValue:
        if not message.type_url and not message.value:
            return {}
        held = message.unpack(packable(message.type_url))
        tagged: dict[str, JsonValue] = {"@type": message.type_url}
        if isinstance(held, Message) and not isinstance(held, SPECIAL):
            return tagged | self._object(held, depth - 1)
        return tagged | {"value": self._value("message", held, depth)}


def plain(value: object) -> JsonValue:
    """What a Value holds, as JSON.

    Raises:
        ValueError: a number that JSON does not have.
    """
    match value:
        case NullValue():
            return None
        case str():
            return _text(value)
        case float() if not math.isfinite(value):
            raise ValueError(f"JSON has no {value}")
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {_text(key): plain(item) for key, item in value.items()}
        case _:
            return [plain(item) for item in cast("Sequence[object]", value)]


def _is_silent(field: FieldDescriptor, value: object) -> bool:
    """Whether a field holds what it would hold anyway."""
    if field.key or field.repeated:
        return not value
    if field.presence or value:
        return False
    return not isinstance(value, float) or is_default_float(value)


def scalar_json(kind: str, value: object) -> JsonValue:
    """A scalar of this kind, as JSON has it."""
    match kind:
        case "string":
            return _text(cast("str", value))
        case "bytes":
            return bytes_text(bytes(cast("bytes", value)))
        case "double" | "float":
            return _real(kind, float(cast("float", value)))
        case "struct" | "value" | "list":
            return plain(value)
        case "bool":
            return cast("bool", value)
        case _:
            number = int(cast("int", value))
            return str(number) if kind in _QUOTED else number


def _real(kind: str, value: float) -> JsonValue:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return _shortest(value) if kind == "float" else value


def _shortest(value: float) -> float:
    """The number with the fewest digits that is the same one in 32 bits."""
    bits = pack_float(value)
    shorter = (float(f"{value:.{digits}g}") for digits in range(6, 10))
    # Some readers refuse what rounds down to the largest.
    return next((each for each in shorter if abs(each) <= _LARGEST_FLOAT and pack_float(each) == bits), value)


def _text(value: str) -> str:
    value.encode()  # a lone surrogate is no text
    return value


def _key_text(key: object) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return _text(key) if isinstance(key, str) else str(key)


def _enum_text(value: Enum | ClosedEnum) -> JsonValue:
    named = names_of(type(value))
    return next((name for name, number in named.items() if number == value), int(value))
