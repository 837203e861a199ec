"""Gives a value back as its annotation says, where it can be so. It converts; it does not validate."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Union, cast, get_args, get_origin
from uuid import UUID

from cerebelum_client.models import is_model_class, model_of
from cerebelum_codegen.runtime import Message

FROM_TEXT: dict[type, Callable[[str], object]] = {
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    time: time.fromisoformat,
    Decimal: Decimal,
    UUID: UUID,
}
"""The types whose values may come as text."""


@dataclass(frozen=True, slots=True)
class EncodedMessage:
    """A generated message before an annotation says which class it is of."""

    name: str
    data: bytes

    def decoded(self, kind: type) -> object:
        """The message, when it is of this class; else itself."""
        if issubclass(kind, Message) and self.name == kind.FULL_NAME:
            return kind.from_bytes(self.data)
        return self


def fit(value: object, annotation: object) -> object:
    """The value as the annotation says; unchanged where it does not apply."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return _fit_union(value, get_args(annotation))
    if origin is typing.Annotated:
        return fit(value, get_args(annotation)[0])
    if origin is not None:
        return _fit_group(value, origin, get_args(annotation))
    if isinstance(annotation, type):
        return _fit_type(value, annotation)
    return value


def _fit_union(value: object, members: tuple[object, ...]) -> object:
    if value is None:
        return None
    for member in members:
        if type(value) is (get_origin(member) or member):
            return fit(value, member)
    failure: Exception | None = None
    for member in sorted(members, key=lambda each: not _names_all(value, each)):
        try:
            fitted = fit(value, member)
        except (ValueError, TypeError, ArithmeticError) as error:
            failure = failure or error
        else:
            if _is_of(fitted, get_origin(member) or member):
                return fitted
    if failure is not None:
        raise failure
    return value


def _names_all(value: object, kind: object) -> bool:
    """Whether a class has just the fields that came: of classes that would take them, it is the one meant."""
    if not isinstance(kind, type) or not isinstance(value, Mapping):
        return False
    if is_model_class(kind):
        return value.keys() == kind.model_fields.keys()
    return is_dataclass(kind) and value.keys() == {each.name for each in fields(kind)}


def _is_of(value: object, kind: object) -> bool:
    if typing.is_typeddict(kind):
        return isinstance(value, dict)
    if kind is typing.Any:
        return True
    try:
        return isinstance(kind, type) and isinstance(value, kind)
    except TypeError:  # a protocol that is not to be checked
        return False


def _fit_group(value: object, origin: object, arguments: tuple[object, ...]) -> object:
    if isinstance(value, Mapping) and isinstance(origin, type) and issubclass(origin, Mapping) and len(arguments) == 2:
        return {fit(key, arguments[0]): fit(item, arguments[1]) for key, item in value.items()}
    if not isinstance(value, list | tuple | set | frozenset):
        return value
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(fit(item, arguments[0]) for item in value)
        return tuple(fit(item, kind) for item, kind in zip(value, arguments, strict=False))
    if origin in (set, frozenset):
        return cast("type", origin)(fit(item, arguments[0]) for item in value)
    if origin is list or (isinstance(origin, type) and issubclass(list, origin) and issubclass(origin, Sequence)):
        return [fit(item, arguments[0]) for item in value]
    return value


def _fit_type(value: object, kind: type) -> object:
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind is float and type(value) is int:
        return float(value)
    if isinstance(value, str) and kind in FROM_TEXT:
        return FROM_TEXT[kind](value)
    if isinstance(value, list) and kind in (tuple, set, frozenset):
        return kind(value)
    if isinstance(value, EncodedMessage):
        return value.decoded(kind)
    if issubclass(kind, Message) and isinstance(value, Mapping):
        return kind.from_dict(value)
    if is_model_class(kind) and isinstance(value, Mapping):
        hints = hints_of(kind)
        return model_of(kind, {name: fit(item, hints.get(name, object)) for name, item in value.items()})
    if issubclass(kind, Enum) and not isinstance(value, kind):
        return kind(value)
    if is_dataclass(kind) and isinstance(value, Mapping):
        return _fit_dataclass(value, kind)
    return value


def _fit_dataclass(value: Mapping[str, object], kind: type) -> object:
    hints = hints_of(kind)
    names = {each.name for each in fields(kind) if each.init}
    return kind(**{name: fit(item, hints.get(name, object)) for name, item in value.items() if name in names})


def hints_of(owner: object) -> Mapping[str, object]:
    """The annotations of a function or class; those that cannot be resolved count as absent."""
    try:
        return _resolved(owner)
    except (NameError, TypeError, AttributeError):
        return {}


@lru_cache(maxsize=4_096)
def _resolved(owner: object) -> Mapping[str, object]:
    return typing.get_type_hints(owner)
