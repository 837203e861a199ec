"""The payload converter: Python values to payloads and back, exact.

Plain JSON values travel as JSON. What JSON does not know travels as JSON with tags, `{"$": "datetime", "v": ...}`;
reading a tag never runs or imports anything. Reading takes an annotation, and gives back what it says where the
value allows it: it converts, it does not validate.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import cast
from uuid import UUID

from cerebelum_client.annotations import fit
from cerebelum_client.errors import PayloadError
from cerebelum_codegen.runtime import Message
from cerebelum_proto.types.v1.types_pb import Payload

_JSON = "json"
_TAGGED = "json+python"
_PROTOBUF = "protobuf:"
_TAG, _VALUE = "$", "v"


def to_payload(value: object) -> Payload:
    """Write a value.

    Raises:
        PayloadError: it holds something that cannot travel; the error says where and what.
    """
    if isinstance(value, Message):
        return Payload(encoding=_PROTOBUF + value.FULL_NAME, data=value.to_bytes())
    writer = _Writer()
    try:
        written = writer.write(value, "value")
    except RecursionError:
        raise PayloadError("the value nests too deep, or holds itself") from None
    text = json.dumps(written, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        return Payload(encoding=_TAGGED if writer.tagged else _JSON, data=text.encode())
    except UnicodeEncodeError:
        raise PayloadError("the value holds a string with a lone surrogate, which is no text") from None


def from_payload(payload: Payload | None, annotation: object = object) -> object:
    """Read a value, as its annotation says where it can be so. No payload, or an empty one, is None.

    Raises:
        PayloadError: the payload is not what its encoding says, or needs an annotation to be read.
    """
    if payload is None or not payload.encoding:
        return None
    if payload.encoding.startswith(_PROTOBUF):
        return _message(payload, annotation)
    if payload.encoding not in (_JSON, _TAGGED):
        raise PayloadError(f"a payload of encoding '{payload.encoding}' cannot be read here")
    try:
        parsed = json.loads(payload.data)
    except (ValueError, RecursionError) as error:
        raise PayloadError(f"a payload of encoding '{payload.encoding}' is no JSON: {error}") from None
    return fit(_untagged(parsed) if payload.encoding == _TAGGED else parsed, annotation)


def _message(payload: Payload, annotation: object) -> Message:
    name = payload.encoding.removeprefix(_PROTOBUF)
    if isinstance(annotation, type) and issubclass(annotation, Message) and name == annotation.FULL_NAME:
        return annotation.from_bytes(payload.data)
    raise PayloadError(f"a message {name} needs its class as annotation to be read, not {annotation!r}")


class _Writer:
    """Writes one value, and remembers whether it needed a tag."""

    def __init__(self) -> None:
        self.tagged = False

    def write(self, value: object, path: str) -> object:
        if value is None or isinstance(value, bool) or type(value) in (int, str):
            return value
        if type(value) is float and math.isfinite(value):
            return value
        if type(value) is list:
            return [self.write(item, f"{path}[{position}]") for position, item in enumerate(value)]
        if type(value) is dict and all(isinstance(key, str) for key in value) and _TAG not in value:
            return {key: self.write(item, f"{path}[{key!r}]") for key, item in value.items()}
        self.tagged = True
        return self._tag(value, path)

    def _tag(self, value: object, path: str) -> dict[str, object]:
        for kind, (name, write) in _SIMPLE.items():
            if isinstance(value, kind) and not isinstance(value, Enum):
                return {_TAG: name, _VALUE: write(value)}
        if isinstance(value, Enum):
            return {_TAG: "enum", _VALUE: self.write(value.value, path)}
        if is_dataclass(value) and not isinstance(value, type):
            members = {
                each.name: self.write(getattr(value, each.name), f"{path}.{each.name}") for each in fields(value)
            }
            return {_TAG: "dataclass", _VALUE: members}
        if isinstance(value, tuple | set | frozenset | list):
            name = next(n for n, kind in _GROUPS.items() if isinstance(value, kind))
            return {_TAG: name, _VALUE: [self.write(item, f"{path}[{at}]") for at, item in enumerate(value)]}
        if isinstance(value, Mapping):
            pairs = [[self.write(k, f"{path} key"), self.write(v, f"{path}[{k!r}]")] for k, v in value.items()]
            return {_TAG: "dict", _VALUE: pairs}
        if isinstance(value, int | str):
            return {_TAG: "plain", _VALUE: int(value) if isinstance(value, int) else str(value)}
        raise PayloadError(
            f"{path} is a {type(value).__module__}.{type(value).__qualname__}, which cannot travel between steps: "
            "return plain values, dataclasses, enums, datetimes or generated messages"
        )


_SIMPLE: dict[type, tuple[str, Callable[..., object]]] = {
    bytes: ("bytes", lambda value: base64.b64encode(value).decode()),
    bytearray: ("bytes", lambda value: base64.b64encode(value).decode()),
    datetime: ("datetime", datetime.isoformat),
    date: ("date", date.isoformat),
    time: ("time", time.isoformat),
    timedelta: ("timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
    Decimal: ("decimal", str),
    UUID: ("uuid", str),
    float: ("float", repr),
    complex: ("complex", lambda value: [repr(value.real), repr(value.imag)]),
}
_GROUPS: dict[str, type] = {"tuple": tuple, "set": set, "frozenset": frozenset, "list": list}
_READERS: dict[str, Callable[..., object]] = {
    "bytes": base64.b64decode,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timedelta": lambda parts: timedelta(*parts),
    "decimal": Decimal,
    "uuid": UUID,
    "float": float,
    "complex": lambda parts: complex(*map(float, parts)),
    "enum": lambda value: value,
    "plain": lambda value: value,
    "dataclass": lambda members: members,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "list": list,
    "dict": dict,
}


def _untagged(value: object) -> object:
    if isinstance(value, list):
        return [_untagged(item) for item in value]
    if not isinstance(value, dict):
        return value
    members = cast("dict[str, object]", value)
    if _TAG not in members:
        return {key: _untagged(item) for key, item in members.items()}
    read = _READERS.get(str(members[_TAG]))
    if read is None:
        raise PayloadError(f"a payload has the tag '{members[_TAG]}', which this version does not know")
    try:
        return read(_untagged(members.get(_VALUE)))
    except (ValueError, TypeError, ArithmeticError) as error:
        raise PayloadError(f"a payload's {members[_TAG]} cannot be read: {error}") from None
