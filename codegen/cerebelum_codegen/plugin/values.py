"""The kinds of values and what they are in Python."""

from __future__ import annotations

from dataclasses import replace

from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Kinds

from cerebelum_codegen.plugin import features
from cerebelum_codegen.plugin.form import Value
from cerebelum_codegen.plugin.source import Source


def _scalar(kind: str, annotation: str, wire: int, default: str) -> Value:
    return Value(kind=kind, annotation=annotation, wire=wire, default=default, described=f'"{kind}"')


SCALARS = {
    Kinds.TYPE_DOUBLE: _scalar("double", "float", 1, "0.0"),
    Kinds.TYPE_FLOAT: _scalar("float", "float", 5, "0.0"),
    Kinds.TYPE_INT64: _scalar("int64", "int", 0, "0"),
    Kinds.TYPE_UINT64: _scalar("uint64", "int", 0, "0"),
    Kinds.TYPE_INT32: _scalar("int32", "int", 0, "0"),
    Kinds.TYPE_FIXED64: _scalar("fixed64", "int", 1, "0"),
    Kinds.TYPE_FIXED32: _scalar("fixed32", "int", 5, "0"),
    Kinds.TYPE_BOOL: _scalar("bool", "bool", 0, "False"),
    Kinds.TYPE_STRING: _scalar("string", "str", 2, '""'),
    Kinds.TYPE_BYTES: _scalar("bytes", "bytes", 2, 'b""'),
    Kinds.TYPE_UINT32: _scalar("uint32", "int", 0, "0"),
    Kinds.TYPE_SFIXED32: _scalar("sfixed32", "int", 5, "0"),
    Kinds.TYPE_SFIXED64: _scalar("sfixed64", "int", 1, "0"),
    Kinds.TYPE_SINT32: _scalar("sint32", "int", 0, "0"),
    Kinds.TYPE_SINT64: _scalar("sint64", "int", 0, "0"),
}
_UNCHECKED = replace(SCALARS[Kinds.TYPE_STRING], kind="unchecked_string")


def _known(kind: str, annotation: str, default: str, described: str) -> Value:
    return Value(kind=kind, annotation=annotation, wire=2, default=default, described=described)


_KNOWN = {
    ".google.protobuf.Struct": _known("struct", "Mapping[str, JsonValue]", "{}", '"struct"'),
    ".google.protobuf.Value": _known("json_value", "JsonValue", "None", '"value"'),
    ".google.protobuf.ListValue": _known("json_list", "Sequence[JsonValue]", "[]", '"list"'),
    ".google.protobuf.Timestamp": _known("timestamp", "Timestamp", "Timestamp()", "Timestamp"),
    ".google.protobuf.Duration": _known("duration", "Duration", "Duration()", "Duration"),
    ".google.protobuf.Empty": _known("message", "Empty", "Empty()", "Empty"),
}
_WRAPPED = {
    "DoubleValue": Kinds.TYPE_DOUBLE,
    "FloatValue": Kinds.TYPE_FLOAT,
    "Int64Value": Kinds.TYPE_INT64,
    "UInt64Value": Kinds.TYPE_UINT64,
    "Int32Value": Kinds.TYPE_INT32,
    "UInt32Value": Kinds.TYPE_UINT32,
    "BoolValue": Kinds.TYPE_BOOL,
    "StringValue": Kinds.TYPE_STRING,
    "BytesValue": Kinds.TYPE_BYTES,
}


def value_of(source: Source, field: Kinds, delimited: bool, checked: bool) -> Value:
    """What one value of a field is."""
    if field.type == Kinds.TYPE_STRING and not checked:
        return _UNCHECKED
    if field.type in SCALARS:
        return SCALARS[field.type]
    if field.type == Kinds.TYPE_ENUM:
        return _enum(source, field.type_name)
    if field.type_name in _KNOWN:
        return _KNOWN[field.type_name]
    return _wrapped(source, field.type_name) or _message(source, field.type_name, delimited)


def _enum(source: Source, type_name: str) -> Value:
    found = source.declared[type_name]
    own = "NullValue" if type_name == ".google.protobuf.NullValue" else source.reference(type_name)
    kind = "closed_enum" if features.is_closed(found.features) else "enum"
    return Value(kind=kind, annotation=own, wire=0, default=f"{own}.{found.first_member}", described=own)


def _wrapped(source: Source, type_name: str) -> Value | None:
    """The scalar that stands for a message which only wraps it."""
    if (scalar := _WRAPPED.get(type_name.removeprefix(".google.protobuf."))) is None:
        return None
    inner, own = SCALARS[scalar], source.reference(type_name)
    return Value(kind="wrapped", annotation=inner.annotation, wire=2, default=inner.default, described=own)


def _message(source: Source, type_name: str, delimited: bool) -> Value:
    own = source.reference(type_name)
    return Value(kind="message", annotation=own, wire=3 if delimited else 2, default=f"{own}()", described=own)
