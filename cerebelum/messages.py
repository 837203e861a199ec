"""The generated messages that annotations name, told so that people can be shown them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import get_args

from cerebelum_codegen.runtime import ClosedEnum, Enum, Message
from cerebelum_codegen.runtime.descriptor import FieldDescriptor, fields_of, json_name, names_of
from cerebelum_proto.worker import worker_service_pb as pb

_WELL_KNOWN = "google.protobuf."
_PLAIN = {"struct": "Struct", "value": "Value", "list": "ListValue"}


def messages_in(hints: Iterable[object]) -> Iterator[type[Message]]:
    """The messages that annotations name, inside of others too."""
    for hint in hints:
        if isinstance(hint, type) and issubclass(hint, Message):
            yield hint
        yield from messages_in(get_args(hint))


def describe_messages(told: pb.Description, kinds: Iterable[type[Message]]) -> None:
    """Tell of messages, of those that they hold, and of the enums of all of them."""
    messages: dict[str, pb.MessageDescription] = {}
    enums: dict[str, pb.EnumDescription] = {}
    waiting: list[object] = [*kinds]
    waiting.reverse()
    while waiting:
        kind = waiting.pop()
        if not isinstance(kind, type) or (name := _name(kind)).startswith(_WELL_KNOWN) or {name} & {*messages, *enums}:
            continue
        if issubclass(kind, Message):
            messages[name] = pb.MessageDescription(name=name, fields=[_field(each) for each in fields_of(kind)])
            waiting.extend(each.kind for each in reversed(fields_of(kind)))
        elif issubclass(kind, Enum | ClosedEnum):
            values = {number: name for name, number in reversed(names_of(kind).items())}
            enums[name] = pb.EnumDescription(name=name, values=dict(sorted(values.items())))
    told.messages, told.enums = list(messages.values()), list(enums.values())


def _field(field: FieldDescriptor) -> pb.FieldDescription:
    return pb.FieldDescription(
        number=field.number,
        name=field.name,
        json_name=field.json if field.json != json_name(field.name) else "",
        type=_type(field),
        repeated=field.repeated,
        key=field.key,
    )


def _type(field: FieldDescriptor) -> str:
    if isinstance(field.kind, str):
        return f"{_WELL_KNOWN}{_PLAIN[field.kind]}" if field.kind in _PLAIN else field.kind
    return _name(field.kind)


def _name(kind: type) -> str:
    """A message's own name; that of an enum, which does not know it, is made of its module's place."""
    named = getattr(kind, "FULL_NAME", None)
    return str(named) if named else ".".join(filter(None, (kind.__module__.rpartition(".")[0], kind.__name__)))
