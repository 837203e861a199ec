"""What a field of proto2 means when it is absent, as a Python expression."""

from __future__ import annotations

from google.protobuf import text_encoding
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from cerebelum_codegen.plugin import names
from cerebelum_codegen.plugin.form import Value


def declared_default(field: FieldDescriptorProto, value: Value) -> str:
    """The default that the proto declares; empty when it declares none."""
    if not field.HasField("default_value"):
        return ""
    text = field.default_value
    match value.annotation:
        case "str":
            return repr(text)
        case "bytes":
            return repr(text_encoding.CUnescape(text))
        case "bool":
            return "True" if text == "true" else "False"
        case "int":
            return text
        case "float":
            return f'float("{text}")' if text.lstrip("-") in ("inf", "nan") else repr(float(text))
        case enum:
            return f"{enum}.{names.member_name(text)}"
