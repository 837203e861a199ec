"""The well-known messages that JSON writes in a form of their own."""

from __future__ import annotations

from typing import Final

from cerebelum_codegen.known import any_pb, field_mask_pb, struct_pb, wrappers_pb
from cerebelum_codegen.runtime.anymessage import Packable
from cerebelum_codegen.runtime.descriptor import class_of
from cerebelum_codegen.runtime.wkt import Duration, Timestamp

WRAPPERS: Final = (
    wrappers_pb.DoubleValue,
    wrappers_pb.FloatValue,
    wrappers_pb.Int64Value,
    wrappers_pb.UInt64Value,
    wrappers_pb.Int32Value,
    wrappers_pb.UInt32Value,
    wrappers_pb.BoolValue,
    wrappers_pb.StringValue,
    wrappers_pb.BytesValue,
)
SPECIAL: Final = (
    any_pb.Any,
    field_mask_pb.FieldMask,
    struct_pb.Struct,
    struct_pb.ListValue,
    struct_pb.Value,
    *WRAPPERS,
)


def packable(type_url: str) -> type[Packable]:
    """The class of what an Any holds.

    Raises:
        ValueError: no imported module has it.
    """
    _, slash, full_name = type_url.rpartition("/")
    for kind in (Timestamp, Duration):
        if full_name == kind.FULL_NAME:
            return kind
    if not slash or (found := class_of(full_name)) is None:
        raise ValueError(f"the type {type_url!r} is not known here: import the module that has it")
    return found
