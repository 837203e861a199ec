"""From JSON to messages, by their descriptions. What is not exactly right is refused, with the field's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar, cast

from cerebelum_codegen.known import any_pb, field_mask_pb, struct_pb
from cerebelum_codegen.runtime.anymessage import Packable
from cerebelum_codegen.runtime.descriptor import (
    FieldDescriptor,
    extension_of,
    field_named,
    fields_of,
    names_of,
)
from cerebelum_codegen.runtime.enum import ClosedEnum, Enum, NullValue
from cerebelum_codegen.runtime.errors import DecodeError
from cerebelum_codegen.runtime.jsonknown import SPECIAL, WRAPPERS, packable
from cerebelum_codegen.runtime.jsonscalar import (
    read_array,
    read_key,
    read_list,
    read_object,
    read_plain,
    read_scalar,
    read_struct,
    read_text,
)
from cerebelum_codegen.runtime.jsontext import read_instant, read_mask, read_span
from cerebelum_codegen.runtime.jsonvalue import JsonValue, said, write_value
from cerebelum_codegen.runtime.message import Message
from cerebelum_codegen.runtime.wire import MAX_DEPTH, too_deep
from cerebelum_codegen.runtime.wkt import Duration, Timestamp

if TYPE_CHECKING:
    from cerebelum_codegen.runtime.descriptor import FieldKind

_PLAIN: Final = {"struct": read_struct, "list": read_list, "value": read_plain}
_M = TypeVar("_M", bound=Message)
_SKIPPED: Final = object()
"""An enum's name that is not known, where what is not known is ignored."""


@dataclass(frozen=True, slots=True)
class JsonReader:
    """How JSON becomes messages."""

    ignore_unknown: bool

    def message(self, kind: type[_M], data: JsonValue, depth: int = MAX_DEPTH) -> _M:
        """A message from its JSON, in its special form if it has one."""
        if depth < 0:
            raise too_deep()
        message = kind()
        try:
            self._read(message, data, depth)
        except DecodeError:
            raise
        except ValueError as error:
            raise DecodeError(f"{kind.FULL_NAME}: {error}") from None
        return message

    def _read(self, message: Message, data: JsonValue, depth: int) -> None:
        match message:
            case any_pb.Any():
                self._any(message, read_object(data), depth)
            case field_mask_pb.FieldMask():
                message.paths = read_mask(read_text(data))
            case struct_pb.Struct():
                message.fields = read_struct(data, depth)
            case struct_pb.ListValue():
                message.values = read_list(data, depth)
            case struct_pb.Value():
                message.merge_from_bytes(write_value(read_plain(data, depth)))
            case _ if isinstance(message, WRAPPERS):
                self._field(message, fields_of(type(message))[0], data, depth)
            case _:
                self._fields(message, read_object(data), depth)

    def _fields(self, message: Message, data: Mapping[str, JsonValue], depth: int) -> None:
        seen = set[str]()
        for name, value in data.items():
            field = field_named(type(message), name)
            if field is None:
                self._foreign(message, name, value, depth)
                continue
            if field.name in seen:
                raise DecodeError(f"{message.FULL_NAME}.{field.attribute}: the field is there twice")
            seen.add(field.name)
            self._field(message, field, value, depth)

    def _foreign(self, message: Message, name: str, value: JsonValue, depth: int) -> None:
        """What is no field of the message itself: an extension, or nothing that is known."""
        found = extension_of(message.FULL_NAME, read_text(name))
        if found is None:
            if self.ignore_unknown:
                return
            raise DecodeError(f"{message.FULL_NAME} has no field {name!r}")
        holder, field = found
        held = holder()
        self._field(held, field, value, depth)
        message._unknown += held.to_bytes()

    def _field(self, message: Message, field: FieldDescriptor, value: JsonValue, depth: int) -> None:
        if value is None and not _takes_null(field):
            return
        try:
            read = self._whole(field, value, depth)
        except DecodeError:
            raise
        except ValueError as error:
            raise DecodeError(f"{message.FULL_NAME}.{field.attribute}: {error}") from None
        if field.oneof and getattr(message, field.attribute) is not None:
            raise DecodeError(f"{message.FULL_NAME}.{field.oneof}: two of its members are there")
        if read is not _SKIPPED:
            setattr(message, field.attribute, field.wrapper(read) if field.wrapper is not None else read)

    def _whole(self, field: FieldDescriptor, value: JsonValue, depth: int) -> object:
        """All that a field holds."""
        if field.key:
            entries = {read_key(field.key, key): item for key, item in read_object(value).items()}
            read = {key: self._item(field, item, depth) for key, item in entries.items()}
            return {key: item for key, item in read.items() if item is not _SKIPPED}
        if field.repeated:
            items = [self._item(field, item, depth) for item in read_array(value)]
            return [item for item in items if item is not _SKIPPED]
        read_value = self._value(field.kind, value, depth)
        return said(cast("JsonValue", read_value)) if field.kind == "value" and not field.oneof else read_value

    def _item(self, field: FieldDescriptor, value: JsonValue, depth: int) -> object:
        if value is None and not (field.kind == "value" or field.kind is NullValue):
            raise ValueError("null stands where a value is due")
        return self._value(field.kind, value, depth)

    def _value(self, kind: FieldKind, value: JsonValue, depth: int) -> object:
        """One value, as the field of a message holds it."""
        if isinstance(kind, str):
            plain = _PLAIN.get(kind)
            return plain(value, depth) if plain is not None else read_scalar(kind, value)
        if kind is Timestamp:
            return read_instant(read_text(value))
        if kind is Duration:
            return read_span(read_text(value))
        if issubclass(kind, Enum | ClosedEnum):
            return self._enum(kind, value)
        if kind in WRAPPERS:
            return self._value(fields_of(cast("type[Message]", kind))[0].kind, value, depth)
        return self.message(cast("type[Message]", kind), value, depth - 1)

    def _enum(self, kind: type[Enum] | type[ClosedEnum], value: JsonValue) -> object:
        if kind is NullValue and value is None:
            return NullValue.NULL_VALUE
        if not isinstance(value, str):
            return kind(cast("int", read_scalar("int32", value)))
        if (number := names_of(kind).get(value)) is not None:
            return kind(number)
        if self.ignore_unknown:
            return _SKIPPED
        raise ValueError(f"{value!r} is no member of {kind.__name__}")

    def _any(self, message: any_pb.Any, data: Mapping[str, JsonValue], depth: int) -> None:
        if not data:
            return
        message.type_url = read_text(data.get("@type"))
        kind = packable(message.type_url)
        rest = {name: value for name, value in data.items() if name != "@type"}
        message.value = self._packed(kind, rest, depth).to_bytes()

    def _packed(self, kind: type[Packable], rest: Mapping[str, JsonValue], depth: int) -> Packable:
        if not issubclass(kind, (*SPECIAL, Timestamp, Duration)):
            return self.message(cast("type[Message]", kind), rest, depth - 1)
        if "value" not in rest or (len(rest) > 1 and not self.ignore_unknown):
            raise ValueError(f"{kind.FULL_NAME} in an Any is its @type and its value, and nothing else")
        if issubclass(kind, Message):
            return self.message(kind, rest["value"], depth - 1)
        return cast("Packable", self._value(cast("FieldKind", kind), rest["value"], depth))


def _takes_null(field: FieldDescriptor) -> bool:
    return (field.kind == "value" or field.kind is NullValue) and not field.key and not field.repeated
