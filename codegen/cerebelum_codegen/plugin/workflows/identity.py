"""An execution id as an expression over the inputs: "order/{order_id}", fields by dotted paths."""

from __future__ import annotations

import re
from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto

from cerebelum_codegen.plugin.declarations import Declarations

_F = FieldDescriptorProto
_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_WHOLE = frozenset(
    {_F.TYPE_STRING, _F.TYPE_ENUM, _F.TYPE_INT32, _F.TYPE_INT64, _F.TYPE_UINT32, _F.TYPE_UINT64, _F.TYPE_SINT32}
    | {_F.TYPE_SINT64, _F.TYPE_FIXED32, _F.TYPE_FIXED64, _F.TYPE_SFIXED32, _F.TYPE_SFIXED64}
)
"""What a value of is the same text for everybody."""


def id_faults(template: str, inputs: str, declared: Declarations) -> Iterator[str]:
    """What is wrong with an execution id over this message; nothing with none."""
    if not template:
        return
    outside = re.sub(r"\{[^{}]*\}", "", template)
    if "{" in outside or "}" in outside:
        yield f"execution_id '{template}' has a brace without its other: write fields as {{order_id}}"
        return
    paths = re.findall(r"\{([^{}]*)\}", template)
    if not paths:
        yield (
            f"execution_id '{template}' is the same for every execution: name a field of {inputs} in it, as in "
            "order/{order_id}"
        )
    for path in paths:
        if fault := _path_fault(path, inputs, declared):
            yield f"execution_id '{template}': {fault}"


def _path_fault(path: str, inputs: str, declared: Declarations) -> str:
    if not _PATH.fullmatch(path):
        return f"'{{{path}}}' names no field: write {{order_id}} or {{customer.id}}"
    message, *names = inputs, *path.split(".")
    for at, name in enumerate(names):
        field = field_of(declared[f".{message}"].message, name)
        if field is None:
            return f"{message} has no field '{name}'"
        if field.label == _F.LABEL_REPEATED:
            return f"'{name}' of {message} holds many values: name a field that holds one"
        if field.HasField("oneof_index") and not field.proto3_optional:
            return f"'{name}' of {message} stands in a oneof, so it may not be there: name another field"
        last = at + 1 == len(names)
        if last and field.type not in _WHOLE:
            return f"'{path}' is of a type that is no id: name a string, an integer or an enum"
        if not last and field.type != _F.TYPE_MESSAGE:
            return f"'{name}' of {message} is no message, so it has no '{names[at + 1]}'"
        message = field.type_name.removeprefix(".")
    return ""


def field_of(message: DescriptorProto | None, name: str) -> FieldDescriptorProto | None:
    """The field of this name."""
    return None if message is None else next((each for each in message.field if each.name == name), None)
