"""All that generated code needs. People use these names; generated modules import `runtime.v1`."""

from cerebelum_codegen.runtime.descriptor import class_of
from cerebelum_codegen.runtime.empty import Empty
from cerebelum_codegen.runtime.enum import ClosedEnum, Enum, NullValue
from cerebelum_codegen.runtime.errors import CodecError, DecodeError, EncodeError
from cerebelum_codegen.runtime.extension import Extension
from cerebelum_codegen.runtime.jsonvalue import JsonValue
from cerebelum_codegen.runtime.message import Message
from cerebelum_codegen.runtime.wkt import Duration, Timestamp

__all__ = [
    "ClosedEnum",
    "CodecError",
    "DecodeError",
    "Duration",
    "EncodeError",
    "Empty",
    "Enum",
    "Extension",
    "JsonValue",
    "Message",
    "NullValue",
    "Timestamp",
    "class_of",
]
