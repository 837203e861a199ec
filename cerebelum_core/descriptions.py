"""What a contract says of answers and signals, looked at before they are recorded: a step could not read anything else.

A description tells less than the contract, so what it does not settle is taken.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from cerebelum_codegen.known.any_pb import Any
from cerebelum_codegen.runtime import DecodeError, Duration, JsonValue, Timestamp, class_of
from cerebelum_codegen.runtime.descriptor import json_name
from cerebelum_codegen.runtime.jsonreader import JsonReader
from cerebelum_codegen.runtime.jsonscalar import read_array, read_key, read_object, read_scalar, read_text
from cerebelum_codegen.runtime.jsontext import read_instant, read_span
from cerebelum_codegen.runtime.wire import MAX_DEPTH, too_deep
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker.worker_service_pb import Description, FieldDescription

_JSON, _PROTOBUF = "json", "protobuf:"
_WIDE: Final = {f"{kind}{bits}" for kind in ("int", "uint", "sint", "fixed", "sfixed") for bits in (32, 64)}
_SCALARS: Final = _WIDE | {"double", "float", "bool", "string", "bytes"}
_NULL: Final = ("google.protobuf.Value", "google.protobuf.NullValue")
_STRICT: Final = JsonReader(ignore_unknown=False)


def answer_fault(told: Description, approval: str, answer: Payload | None) -> str:
    """Why an answer is none to the approval of this name; empty when it may be one, or nothing is told of it."""
    kind = next((each.answer for each in told.approvals if each.name == approval), "")
    return _fault(told, f"approval '{approval}' is answered by {kind}", kind, answer)


def signal_fault(told: Description, signal: str, payload: Payload | None) -> str:
    """Why a signal of this name cannot bring this; empty when it may, or nothing is told of it."""
    kind = next((each.brings for each in told.signals if each.name == signal), "")
    return _fault(told, f"signal '{signal}' brings {kind}", kind, payload)


def _fault(told: Description, promise: str, kind: str, payload: Payload | None) -> str:
    if not kind or payload is None or not payload.encoding:
        return ""
    if payload.encoding.startswith(_PROTOBUF):
        given = payload.encoding.removeprefix(_PROTOBUF)
        return "" if given == kind else f"{promise}, and this is {given}"
    if payload.encoding != _JSON:
        return ""
    try:
        value = json.loads(payload.data)
        if value is not None:
            _Described(told).check(kind, value, MAX_DEPTH)
    except (ValueError, RecursionError) as error:
        return f"{promise}, and this is none: {error}"
    return ""


class _Described:
    """The messages and enums that a description tells of."""

    def __init__(self, told: Description) -> None:
        self._fields = {each.name: dict(_by_name(each.fields)) for each in told.messages}
        self._enums = {each.name: each.values for each in told.enums}

    def check(self, name: str, value: JsonValue, depth: int) -> None:
        """See that a message of this name can be read of the JSON.

        Raises:
            ValueError: it cannot; the words name the field and its type.
        """
        if depth < 0:
            raise too_deep()
        if name not in self._fields:
            _check_known(name, value, depth)
            return
        try:
            members = read_object(value)
        except ValueError as error:
            raise DecodeError(f"{name}: {error}") from None
        for key, item in members.items():
            field = self._fields[name].get(key)
            if field is not None:
                self._field(f"{name}.{field.name}", field, item, depth)
            elif not key.startswith("["):  # an extension, of which nothing is told
                raise DecodeError(f"{name} has no field {key!r}{_known(self._fields[name])}")

    def _field(self, place: str, field: FieldDescription, value: JsonValue, depth: int) -> None:
        if value is None:
            return
        try:
            for item in _items(field, value):
                self._value(field.type, item, depth)
        except DecodeError:
            raise
        except ValueError as error:
            raise DecodeError(f"{place} ({_type(field)}): {error}") from None

    def _value(self, kind: str, value: JsonValue, depth: int) -> None:
        """See that one value is of its type."""
        if value is None and kind not in _NULL:
            raise ValueError("null stands where a value is due")
        if kind in self._enums:
            _check_enum(self._enums[kind], value)
        elif kind in _SCALARS:
            read_scalar(kind, value)
        else:
            self.check(kind, value, depth - 1)


def _by_name(fields: Iterable[FieldDescription]) -> Iterator[tuple[str, FieldDescription]]:
    for field in fields:
        yield field.name, field
        yield field.json_name or json_name(field.name), field


def _items(field: FieldDescription, value: JsonValue) -> Iterable[JsonValue]:
    if field.key:
        entries = read_object(value)
        for key in entries:
            read_key(field.key, key)
        return entries.values()
    return read_array(value) if field.repeated else (value,)


def _type(field: FieldDescription) -> str:
    if field.key:
        return f"map<{field.key}, {field.type}>"
    return f"repeated {field.type}" if field.repeated else field.type


def _known(fields: Mapping[str, FieldDescription]) -> str:
    names = dict.fromkeys(field.name for field in fields.values())
    return f": it has {', '.join(names)}" if names else ""


def _check_enum(members: Mapping[int, str], value: JsonValue) -> None:
    if not isinstance(value, str):
        read_scalar("int32", value)
    elif value not in members.values():
        raise ValueError(f"{value!r} is none of {', '.join(members.values())}")


def _check_known(kind: str, value: JsonValue, depth: int) -> None:
    """See that one of Google's well-known types can be read of the JSON; of others nothing is known."""
    if kind == Timestamp.FULL_NAME:
        read_instant(read_text(value))
    elif kind == Duration.FULL_NAME:
        read_span(read_text(value))
    elif kind.startswith("google.protobuf.") and kind != Any.FULL_NAME and (known := class_of(kind)) is not None:
        _STRICT.message(known, value, depth)
