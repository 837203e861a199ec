"""What plain JSON does not know travels with tags, `{"$": "datetime", "v": ...}`. Reading runs and imports nothing."""

from __future__ import annotations

import base64
import json
import math
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import cast
from uuid import UUID

from cerebelum_client.annotations import EncodedMessage, fit
from cerebelum_client.converters import Converters
from cerebelum_client.errors import PayloadError
from cerebelum_client.models import is_model, members_of
from cerebelum_client.plain import TAG
from cerebelum_codegen.runtime import Message

_VALUE, _BY = "v", "by"
_SHORT_BITS = 2000
"""Python writes numbers of so many bits whatever limit of digits it is set to."""


def write_tagged(value: object, converters: Converters) -> tuple[bool, object]:
    """A value as JSON can hold it, and whether it needed a tag.

    Raises:
        PayloadError: it holds something that cannot travel; the error says where and what.
    """
    writer = _Writer(converters)
    try:
        written = writer.write(value, "value")
    except RecursionError:
        raise PayloadError("the value nests too deep, or holds itself") from None
    return writer.tagged, written


def read_tagged(value: object, converters: Converters) -> object:
    """What `write_tagged` was given.

    Raises:
        PayloadError: a tag cannot be read here.
    """
    return _Reader(converters).untagged(value)


def fit_as(value: object, annotation: object) -> object:
    """The value as the annotation says.

    Raises:
        PayloadError: it cannot be one of these.
    """
    try:
        return fit(value, annotation)
    except (ValueError, TypeError, ArithmeticError) as error:
        kind = annotation.__qualname__ if isinstance(annotation, type) else repr(annotation)
        raise PayloadError(f"a value does not come back as {kind}: {error}") from None


def fitted(value: object, annotation: object) -> object:
    """The same for what may hold messages.

    Raises:
        PayloadError: it cannot be one of these, or holds a message whose class nobody says.
    """
    value = fit_as(value, annotation)
    left = next(_left_encoded(value), None)
    if left is not None:
        raise PayloadError(f"a message {left.name} needs its class as annotation to be read, not {annotation!r}")
    return value


def _left_encoded(value: object) -> Iterator[EncodedMessage]:
    """The messages that no annotation gave a class."""
    if isinstance(value, EncodedMessage):
        yield value
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _left_encoded(item)
    elif type(value) is dict:
        for key, item in value.items():
            yield from _left_encoded(key)
            yield from _left_encoded(item)


class _Writer:
    """Writes one value, and remembers whether it needed a tag."""

    def __init__(self, converters: Converters) -> None:
        self.tagged = False
        self._converters = converters

    def write(self, value: object, path: str) -> object:
        if value is None or isinstance(value, bool) or type(value) is str:
            return value
        if type(value) is int:
            return _written(value, path)
        if type(value) is float and math.isfinite(value):
            return value
        if type(value) is list:
            return [self.write(item, f"{path}[{position}]") for position, item in enumerate(value)]
        if type(value) is dict and all(isinstance(key, str) for key in value) and TAG not in value:
            return {key: self.write(item, f"{path}[{key!r}]") for key, item in value.items()}
        self.tagged = True
        return self._tag(value, path)

    def _tag(self, value: object, path: str) -> dict[str, object]:
        converter = self._converters.of(value)
        if converter is not None:
            return {TAG: "converted", _BY: converter.name, _VALUE: self.write(converter.write(value), path)}
        if isinstance(value, Message):
            return {TAG: "message", _VALUE: [value.FULL_NAME, base64.b64encode(value.to_bytes()).decode()]}
        if is_model(value):
            members = {name: self.write(item, f"{path}.{name}") for name, item in members_of(value)}
            return {TAG: "dataclass", _VALUE: members}
        for kind, (name, write) in _SIMPLE.items():
            if isinstance(value, kind) and not isinstance(value, Enum):
                return {TAG: name, _VALUE: write(value)}
        if isinstance(value, Enum):
            return {TAG: "enum", _VALUE: self.write(value.value, path)}
        if is_dataclass(value) and not isinstance(value, type):
            members = {
                each.name: self.write(getattr(value, each.name), f"{path}.{each.name}") for each in fields(value)
            }
            return {TAG: "dataclass", _VALUE: members}
        if isinstance(value, tuple | set | frozenset | list):
            name = next(n for n, kind in _GROUPS.items() if isinstance(value, kind))
            items = [self.write(item, f"{path}[{at}]") for at, item in enumerate(value)]
            # Equal sets list their items in different orders, each process in its own.
            return {TAG: name, _VALUE: sorted(items, key=json.dumps) if isinstance(value, set | frozenset) else items}
        if isinstance(value, Mapping):
            pairs = [[self.write(k, f"{path} key"), self.write(v, f"{path}[{k!r}]")] for k, v in value.items()]
            return {TAG: "dict", _VALUE: pairs}
        if isinstance(value, int | str):
            return {TAG: "plain", _VALUE: _written(int(value), path) if isinstance(value, int) else str(value)}
        if isinstance(value, Awaitable):
            raise PayloadError(f"{path} is a {type(value).__qualname__} that nobody has awaited: `await` it first")
        raise PayloadError(
            f"{path} is a {type(value).__module__}.{type(value).__qualname__}, which cannot travel between steps: "
            "return plain values, dataclasses, enums, datetimes or generated messages, or pass a converter for it"
        )


def _written(number: int, path: str) -> int:
    """The number, if Python writes so many digits."""
    try:
        if number.bit_length() > _SHORT_BITS:
            str(number)
    except ValueError:
        most = sys.get_int_max_str_digits()
        raise PayloadError(f"{path} is a number of more than {most} digits: give it as bytes, or as a text") from None
    return number


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
    "message": lambda parts: EncodedMessage(parts[0], base64.b64decode(parts[1])),
}


class _Reader:
    """Reads what `_Writer` wrote."""

    def __init__(self, converters: Converters) -> None:
        self._converters = converters

    def untagged(self, value: object) -> object:
        if isinstance(value, list):
            return [self.untagged(item) for item in value]
        if not isinstance(value, dict):
            return value
        members = cast("dict[str, object]", value)
        if TAG not in members:
            return {key: self.untagged(item) for key, item in members.items()}
        tag = str(members[TAG])
        if tag == "converted":
            read = self._converters.named(str(members.get(_BY))).read
        elif tag in _READERS:
            read = _READERS[tag]
        else:
            raise PayloadError(f"a payload has the tag '{tag}', which this version does not know")
        inner = self.untagged(members.get(_VALUE))
        try:
            return read(inner)
        except (ValueError, TypeError, ArithmeticError) as error:
            raise PayloadError(f"a payload's {tag} cannot be read: {error}") from None
