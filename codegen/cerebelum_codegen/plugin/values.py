"""The kinds of values and what they are in Python."""

from __future__ import annotations

from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Kinds

from cerebelum_codegen.plugin.form import Value


def _scalar(kind: str, annotation: str, wire: int, default: str) -> Value:
    return Value(kind=kind, annotation=annotation, wire=wire, default=default)


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

WELL_KNOWN = {
    ".google.protobuf.Struct": Value(kind="struct", annotation="Mapping[str, JsonValue]", wire=2, default="{}"),
    ".google.protobuf.Value": Value(kind="json_value", annotation="JsonValue", wire=2, default="None"),
    ".google.protobuf.ListValue": Value(kind="json_list", annotation="Sequence[JsonValue]", wire=2, default="[]"),
    ".google.protobuf.Timestamp": Value(kind="timestamp", annotation="Timestamp", wire=2, default="Timestamp()"),
    ".google.protobuf.Duration": Value(kind="duration", annotation="Duration", wire=2, default="Duration()"),
    ".google.protobuf.Empty": Value(kind="message", annotation="Empty", wire=2, default="Empty()"),
}


def enum_value(reference: str, first_member: str) -> Value:
    """A value of an enum; its zero value is the first member."""
    return Value(kind="enum", annotation=reference, wire=0, default=f"{reference}.{first_member}")


def message_value(reference: str) -> Value:
    """A value of a generated message."""
    return Value(kind="message", annotation=reference, wire=2, default=f"{reference}()")
