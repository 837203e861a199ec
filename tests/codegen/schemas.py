"""Random schemas: one file with a few messages and enums, of whatever syntax."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from google.protobuf import descriptor_pb2 as d
from hypothesis import strategies as st

_F = d.FieldDescriptorProto
_S = d.FeatureSet
_SCALARS = [t for t in _F.Type.values() if t not in (_F.TYPE_MESSAGE, _F.TYPE_GROUP, _F.TYPE_ENUM)]
_KEYS = [t for t in _SCALARS if t not in (_F.TYPE_DOUBLE, _F.TYPE_FLOAT, _F.TYPE_BYTES)]
_numbered = count()

_Draw = Callable[[st.SearchStrategy[Any]], Any]


@st.composite
def schemas(draw: _Draw) -> d.FileDescriptorProto:
    """A file of a package of its own, which no other example has."""
    package = f"random{next(_numbered)}"
    file = d.FileDescriptorProto(name=f"{package}/all.proto", package=package)
    file.syntax = draw(st.sampled_from(["proto2", "proto3", "editions"]))
    if file.syntax == "editions":
        file.edition = d.EDITION_2023
    for index in range(draw(st.integers(1, 2))):
        _add_enum(draw, file, f"Enum{index}")
    names = [f"Message{index}" for index in range(draw(st.integers(1, 3)))]
    for name in names:
        _add_message(draw, file, name, names)
    return file


def _add_enum(draw: _Draw, file: d.FileDescriptorProto, name: str) -> None:
    enum = file.enum_type.add(name=name)
    numbers = draw(st.lists(st.integers(-3, 300), unique=True, max_size=3))
    for number in [0, *(each for each in numbers if each != 0)]:
        enum.value.add(name=f"{name.upper()}_{'BELOW_' if number < 0 else ''}{abs(number)}", number=number)
    if file.syntax == "editions" and draw(st.booleans()):
        enum.options.features.enum_type = _S.CLOSED


def _add_message(draw: _Draw, file: d.FileDescriptorProto, name: str, names: list[str]) -> None:
    message = file.message_type.add(name=name)
    numbers = draw(st.lists(st.integers(1, 40) | st.integers(1, 18_999), unique=True, min_size=1, max_size=6))
    oneof = draw(st.booleans())
    if oneof:
        message.oneof_decl.add(name="one_of")
        _type(
            draw, file, message.field.add(name="member", number=20_001, label=_F.LABEL_OPTIONAL, oneof_index=0), names
        )
    for index, number in enumerate(numbers):
        field = message.field.add(name=f"field_{index}", number=number, label=_F.LABEL_OPTIONAL)
        match draw(st.sampled_from(["single", "single", "repeated", "map", "member"])):
            case "repeated":
                field.label = _F.LABEL_REPEATED
                _type(draw, file, field, names)
                _encoding(draw, file, field)
            case "map":
                _add_map(draw, file, message, field, names)
            case "member" if oneof:
                field.oneof_index = 0
                _type(draw, file, field, names)
            case _:
                _type(draw, file, field, names)
                _presence(draw, file, message, field)


def _type(draw: _Draw, file: d.FileDescriptorProto, field: _F, names: list[str]) -> None:
    enums = [enum.name for enum in file.enum_type]
    match draw(st.sampled_from(["scalar", "scalar", "enum", "message"])):
        case "scalar":
            field.type = draw(st.sampled_from(_SCALARS))
        case "enum":
            field.type, field.type_name = _F.TYPE_ENUM, f".{file.package}.{draw(st.sampled_from(enums))}"
        case _:
            field.type, field.type_name = _F.TYPE_MESSAGE, f".{file.package}.{draw(st.sampled_from(names))}"
            if file.syntax == "editions" and draw(st.booleans()):
                field.options.features.message_encoding = _S.DELIMITED


def _encoding(draw: _Draw, file: d.FileDescriptorProto, field: _F) -> None:
    if field.type in (_F.TYPE_STRING, _F.TYPE_BYTES, _F.TYPE_MESSAGE) or draw(st.booleans()):
        return
    if file.syntax == "editions":
        field.options.features.repeated_field_encoding = draw(st.sampled_from([_S.PACKED, _S.EXPANDED]))
    else:
        field.options.packed = draw(st.booleans())


def _presence(draw: _Draw, file: d.FileDescriptorProto, message: d.DescriptorProto, field: _F) -> None:
    if field.type == _F.TYPE_MESSAGE or draw(st.booleans()):
        return
    closed = field.type == _F.TYPE_ENUM and any(
        enum.options.features.enum_type == _S.CLOSED for enum in file.enum_type if field.type_name.endswith(enum.name)
    )
    if file.syntax == "editions" and not closed:
        field.options.features.field_presence = _S.IMPLICIT
    elif file.syntax == "proto3":
        field.proto3_optional = True
        field.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{field.name}")


def _add_map(draw: _Draw, file: d.FileDescriptorProto, message: d.DescriptorProto, field: _F, names: list[str]) -> None:
    entry = message.nested_type.add(name="".join(part.title() for part in field.name.split("_")) + "Entry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=_F.LABEL_OPTIONAL, type=draw(st.sampled_from(_KEYS)))
    value = entry.field.add(name="value", number=2, label=_F.LABEL_OPTIONAL)
    _type(draw, file, value, names)
    value.ClearField("options")
    field.label, field.type = _F.LABEL_REPEATED, _F.TYPE_MESSAGE
    field.type_name = f".{file.package}.{message.name}.{entry.name}"
