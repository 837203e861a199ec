"""What a message is made of, as tables: for what is not worth code of its own, JSON and extensions among it.

The binary format never looks here. A generated module describes its messages when it is imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from cerebelum_codegen.runtime.enum import ClosedEnum, Enum
from cerebelum_codegen.runtime.wkt import Duration, Timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cerebelum_codegen.runtime.message import Message

    FieldKind = str | type[Message] | type[Enum] | type[ClosedEnum] | type[Timestamp] | type[Duration]
    """A scalar's name in proto, `"struct"`, `"value"` or `"list"`, or the class of a message or enum."""


@dataclass(slots=True)
class FieldDescriptor:
    """One field: its number and name in the contract, what it holds, and the attribute that holds it."""

    number: int
    name: str
    kind: FieldKind
    attribute: str = ""
    json: str = ""
    key: str = ""
    """The type of a map's keys; empty for a field that is no map."""
    repeated: bool = False
    required: bool = False
    oneof: str = ""
    wrapper: type | None = None
    """The class that tells this member of its oneof from the others."""

    presence: bool = False
    """Whether it tells "not there" from its zero; its class says so."""

    def __post_init__(self) -> None:
        self.attribute = self.oneof or self.attribute or self.name
        self.json = self.json or json_name(self.name)


_fields: dict[type[Message], tuple[FieldDescriptor, ...]] = {}
_named: dict[type[Message], dict[str, FieldDescriptor]] = {}
_classes: dict[str, type[Message]] = {}
_extensions: dict[str, list[type[Message]]] = {}
_renamed: dict[type, dict[str, str]] = {}


def describe(kind: type[Message], *fields: FieldDescriptor, extends: type[Message] | None = None) -> None:
    """Make a message known, or what a file adds to a message."""
    for field in fields:
        field.presence = kind.__dataclass_fields__[field.attribute].default is None
    _fields[kind] = fields
    if extends is None:
        _classes[kind.FULL_NAME] = kind
    else:
        _extensions.setdefault(extends.FULL_NAME, []).append(kind)


def describe_enum(kind: type[Enum] | type[ClosedEnum], renamed: dict[str, str]) -> None:
    """Tell what the members that Python calls otherwise are called in the contract."""
    _renamed[kind] = renamed


def fields_of(kind: type[Message]) -> tuple[FieldDescriptor, ...]:
    """The fields of a message, in the order of their numbers."""
    return _fields[kind]


def class_of(full_name: str) -> type[Message] | None:
    """The class of a message by its name in the contract, if a module that has it is imported."""
    return _classes.get(full_name)


def field_named(kind: type[Message], name: str) -> FieldDescriptor | None:
    """The field that is called so in the contract, or in JSON."""
    found = _named.get(kind)
    if found is None:
        fields = _fields[kind]
        found = _named[kind] = {field.name: field for field in fields} | {field.json: field for field in fields}
    return found.get(name)


def extension_of(full_name: str, name: str) -> tuple[type[Message], FieldDescriptor] | None:
    """The extension of a message that JSON calls so, and the class that holds it."""
    holders = extensions_of(full_name) if name.startswith("[") else []
    return next(((each, field) for each in holders if (field := field_named(each, name)) is not None), None)


def extensions_of(full_name: str) -> list[type[Message]]:
    """The classes that hold what imported modules add to a message."""
    return _extensions.get(full_name, [])


def check_extensions(message: Message, unknown: list[bytes], depth: int) -> None:
    """Refuse an extension that no one could read later, as malformed as any other field.

    Raises:
        DecodeError: a value that is not of its extension's type.
    """
    for holder in extensions_of(message.FULL_NAME):
        data = b"".join(unknown)
        holder().__merge__(data, 0, len(data), depth)


@cache
def names_of(kind: type[Enum] | type[ClosedEnum]) -> dict[str, int]:
    """The members of an enum by their names in the contract, aliases included."""
    renamed = _renamed.get(kind, {})
    return {renamed.get(name, name): int(member) for name, member in kind.__members__.items()}


def json_name(name: str) -> str:
    """What a field is called in JSON unless its contract says otherwise: `task_id` as `taskId`."""
    if name.startswith("["):
        return name
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def held(message: Message) -> Iterator[tuple[FieldDescriptor, object]]:
    """The fields of a message that hold something, with what they hold."""
    for field in _fields[type(message)]:
        value = getattr(message, field.attribute)
        if value is None:
            continue
        if field.wrapper is not None:
            if type(value) is field.wrapper:
                yield field, getattr(value, "value")  # noqa: B009  # every wrapper has it, which no type says
        elif not field.oneof or type(value) is field.kind:
            yield field, value


def messages_in(message: Message) -> Iterator[Message]:
    """The messages that a message holds, one level down."""
    for field, value in held(message):
        if isinstance(field.kind, str):
            continue
        each: object
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else (value,):
            if hasattr(each, "FULL_NAME") and type(each) in _fields:
                yield each  # type: ignore[misc]  # only messages are described
