"""The messages and enums that travel in a workflow's executions, told so that people can be shown them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto

from cerebelum_codegen.plugin.declarations import Declarations
from cerebelum_codegen.plugin.values import SCALARS
from cerebelum_codegen.runtime.descriptor import json_name
from cerebelum_proto.worker import worker_service_pb as pb

_WELL_KNOWN = "google.protobuf."
_FIELD = 2
"""The number of a message's fields, which source locations go by."""


class Messages:
    """Describes messages, and whatever they hold."""

    def __init__(self, declared: Declarations) -> None:
        self._declared = declared
        self._messages: dict[str, pb.MessageDescription] = {}
        self._enums: dict[str, pb.EnumDescription] = {}

    def described(self, names: Iterable[str]) -> tuple[list[pb.MessageDescription], list[pb.EnumDescription]]:
        """The messages of these names, those that they hold, and the enums of all of them."""
        for name in names:
            self._reach(name)
        return list(self._messages.values()), list(self._enums.values())

    def _reach(self, name: str) -> None:
        waiting = [name]
        while waiting:
            name = waiting.pop()
            if name in self._messages or name in self._enums or name.startswith(_WELL_KNOWN):
                continue
            found = self._declared[f".{name}"]
            if found.enum is not None:
                self._enums[name] = self._enum(name, found.enum)
            if found.message is not None:
                self._messages[name] = self._message(name, found.message)
                held = [self._declared.entry(field)[1].type_name for field in found.message.field]
                waiting += [each.removeprefix(".") for each in reversed(held) if each]

    def _enum(self, name: str, enum: EnumDescriptorProto) -> pb.EnumDescription:
        values = {value.number: value.name for value in reversed(enum.value)}
        return pb.EnumDescription(name=name, doc=self._declared.doc(f".{name}"), values=dict(sorted(values.items())))

    def _message(self, name: str, message: DescriptorProto) -> pb.MessageDescription:
        return pb.MessageDescription(
            name=name, doc=self._declared.doc(f".{name}"), fields=list(self._fields(name, message))
        )

    def _fields(self, name: str, message: DescriptorProto) -> Iterator[pb.FieldDescription]:
        for index, field in enumerate(message.field):
            key, single = self._declared.entry(field)
            yield pb.FieldDescription(
                number=field.number,
                name=field.name,
                json_name=field.json_name if field.json_name != json_name(field.name) else "",
                type=_type(single),
                repeated=field.label == FieldDescriptorProto.LABEL_REPEATED and key is None,
                key=_type(key) if key is not None else "",
                doc=self._declared.doc(f".{name}", _FIELD, index),
            )


def _type(field: FieldDescriptorProto) -> str:
    return SCALARS[field.type].kind if field.type in SCALARS else field.type_name.removeprefix(".")
