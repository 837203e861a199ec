"""From the bytes of a message to its JSON by a description of it, where its code is not at hand."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from cerebelum_codegen.known.any_pb import Any
from cerebelum_codegen.runtime import DecodeError, Duration, JsonValue, Message, Timestamp, class_of, wire
from cerebelum_codegen.runtime.descriptor import json_name
from cerebelum_codegen.runtime.jsontext import bytes_text, instant_text, span_text
from cerebelum_codegen.runtime.jsonwriter import JsonWriter, scalar_json
from cerebelum_proto.worker.worker_service_pb import Description, FieldDescription

_Number: TypeAlias = Callable[[int], int]
_WELL_KNOWN: Final = "google.protobuf."
_VARINT, _FIXED64, _SIZED, _GROUP, _FIXED32 = 0, 1, 2, 3, 5
_VARINTS: Final[Mapping[str, _Number]] = {
    "int32": lambda number: ((number + (1 << 31)) & 0xFFFFFFFF) - (1 << 31),
    "int64": wire.signed,
    "uint32": lambda number: number & 0xFFFFFFFF,
    "uint64": lambda number: number,
    "sint32": lambda number: (number & 0xFFFFFFFF) >> 1 ^ -(number & 1),
    "sint64": lambda number: number >> 1 ^ -(number & 1),
    "bool": bool,
}
_FIXED: Final = {
    "double": (_FIXED64, wire.unpack_double),
    "fixed64": (_FIXED64, wire.unpack_fixed64),
    "sfixed64": (_FIXED64, wire.unpack_sfixed64),
    "float": (_FIXED32, wire.unpack_float),
    "fixed32": (_FIXED32, wire.unpack_fixed32),
    "sfixed32": (_FIXED32, wire.unpack_sfixed32),
}
_WIDTH: Final = {_FIXED64: 8, _FIXED32: 4}


class DescribedMessages:
    """Reads the messages that a workflow's description tells of."""

    def __init__(self, description: Description) -> None:
        self._fields = {each.name: {field.number: field for field in each.fields} for each in description.messages}
        self._enums = {each.name: each.values for each in description.enums}

    def read(self, name: str, data: bytes) -> JsonValue:
        """The message of this name as JSON.

        Raises:
            DecodeError: it is not described, or the bytes are not such a message.
        """
        if name not in self._fields and _well_known(name) is None:
            raise DecodeError(f"message {name} is not described")
        try:
            return self._message(name, data, wire.MAX_DEPTH)
        except (IndexError, struct.error, ValueError) as error:
            raise DecodeError(f"{name}: {error}") from None

    def _message(self, name: str, data: bytes, depth: int) -> JsonValue:
        if depth < 0:
            raise wire.too_deep()
        if (known := _well_known(name)) is not None:
            return self._known(known.from_bytes(data), depth)
        if name not in self._fields:
            return bytes_text(data)
        found: dict[int, list[bytes | int | float]] = {}
        for number, value in self._values(self._fields[name], data, depth):
            found.setdefault(number, []).append(value)
        told = self._fields[name]
        return {_json_name(told[number]): self._field(told[number], found[number], depth) for number in sorted(found)}

    def _values(
        self, fields: Mapping[int, FieldDescription], data: bytes, depth: int
    ) -> Iterator[tuple[int, bytes | int | float]]:
        """What stands in a message, field by field, bodies of messages unread. What is not described is left out."""
        at, end = 0, len(data)
        while at < end:
            tag, at = wire.read_tag(data, at)
            stop = wire.skip(data, at, end, tag, depth)
            field = fields.get(tag >> 3)
            if field is not None:
                yield from ((field.number, value) for value in self._said(field, tag, data[at:stop]))
            at = stop

    def _said(self, field: FieldDescription, tag: int, body: bytes) -> Iterator[bytes | int | float]:
        """What one appearance of a field says: one value, or a packed row of them."""
        form = tag & 7
        own, width = self._form(field)
        if form == _GROUP:
            yield body[: wire.group(body, 0, len(body), tag >> 3, wire.MAX_DEPTH)[0]]
        elif form == _SIZED:
            row = body[wire.read_size(body, 0)[1] :]
            if own == _SIZED:
                yield row
                return
            at = 0
            while at < len(row):
                value, at = self._number(field, row, at, width)
                yield value
        elif form == own:
            yield self._number(field, body, 0, width)[0]

    def _form(self, field: FieldDescription) -> tuple[int, int]:
        """How a field's values stand on the wire, and how wide they are there."""
        if field.key or field.type in ("string", "bytes"):
            return _SIZED, 0
        if field.type in _FIXED:
            form = _FIXED[field.type][0]
            return form, _WIDTH[form]
        return (_VARINT, 0) if field.type in _VARINTS or field.type in self._enums else (_SIZED, 0)

    def _number(self, field: FieldDescription, data: bytes, at: int, width: int) -> tuple[int | float, int]:
        if width:
            if at + width > len(data):
                raise wire.truncated()
            value: int | float = _FIXED[field.type][1](data, at)[0]
            return value, at + width
        number, at = wire.read_varint(data, at)
        return _VARINTS[field.type if field.type in _VARINTS else "int32"](number), at

    # -- as JSON -----------------------------------------------------------------------------

    def _field(self, field: FieldDescription, values: Sequence[bytes | int | float], depth: int) -> JsonValue:
        if field.key:
            return dict(self._entry(field, entry, depth) for entry in values if isinstance(entry, bytes))
        if field.repeated:
            return [self._value(field.type, value, depth) for value in values]
        bodies = [value for value in values if isinstance(value, bytes)]
        # A message may come in parts, whose bytes in a row are the whole of it; of anything else the last one counts.
        whole = b"".join(bodies) if bodies and field.type not in ("string", "bytes") else values[-1]
        return self._value(field.type, whole, depth)

    def _entry(self, field: FieldDescription, entry: bytes, depth: int) -> tuple[str, JsonValue]:
        parts = {1: FieldDescription(number=1, type=field.key), 2: FieldDescription(number=2, type=field.type)}
        found = dict(self._values(parts, entry, depth))
        key = self._value(field.key, found.get(1, self._nothing(field.key)), depth)
        value = self._value(field.type, found.get(2, self._nothing(field.type)), depth)
        return (str(key).lower() if isinstance(key, bool) else str(key)), value

    def _nothing(self, kind: str) -> bytes | int:
        return 0 if kind in _VARINTS or kind in _FIXED or kind in self._enums else b""

    def _value(self, kind: str, value: bytes | int | float, depth: int) -> JsonValue:
        if kind in self._enums:
            return self._enums[kind].get(int(value), int(value)) if not isinstance(value, bytes) else None
        if kind == "string":
            return value.decode() if isinstance(value, bytes) else None
        if kind in _VARINTS or kind in _FIXED or kind == "bytes":
            return scalar_json(kind, value)
        return self._message(kind, value, depth - 1) if isinstance(value, bytes) else None

    def _known(self, value: object, depth: int) -> JsonValue:
        match value:
            case Timestamp():
                return instant_text(value)
            case Duration():
                return span_text(value)
            case Any():
                return self._any(value, depth)
            case Message():
                return JsonWriter(proto_names=False, defaults=False).message(value, depth)
            case _:
                return None

    def _any(self, held: Any, depth: int) -> JsonValue:
        name = held.type_url.rpartition("/")[2]
        inner = self._message(name, held.value, depth - 1)
        return {"@type": held.type_url, **(inner if isinstance(inner, dict) else {"value": inner})}


def _well_known(name: str) -> type[Message] | type[Timestamp] | type[Duration] | None:
    for kind in (Timestamp, Duration):
        if name == kind.FULL_NAME:
            return kind
    return class_of(name) if name.startswith(_WELL_KNOWN) else None


def _json_name(field: FieldDescription) -> str:
    return field.json_name or json_name(field.name)
