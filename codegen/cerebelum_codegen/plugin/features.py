"""What a declaration's edition, and the features set around it, make of it.

proto2 and proto3 are editions with fixed features; their own spellings (`optional`, `required`, `packed`, `group`) are
read here and nowhere else.
"""

from __future__ import annotations

from typing import Final

from google.protobuf import descriptor_pb2 as d

_F = d.FieldDescriptorProto
_S = d.FeatureSet

NEWEST: Final = d.EDITION_2024
"""Newer editions are not known here."""

_PROTO2: Final = _S(
    field_presence=_S.EXPLICIT,
    enum_type=_S.CLOSED,
    repeated_field_encoding=_S.EXPANDED,
    utf8_validation=_S.NONE,
    message_encoding=_S.LENGTH_PREFIXED,
)
_PROTO3: Final = _S(
    field_presence=_S.IMPLICIT,
    enum_type=_S.OPEN,
    repeated_field_encoding=_S.PACKED,
    utf8_validation=_S.VERIFY,
    message_encoding=_S.LENGTH_PREFIXED,
)
_EDITIONS: Final = _S(
    field_presence=_S.EXPLICIT,
    enum_type=_S.OPEN,
    repeated_field_encoding=_S.PACKED,
    utf8_validation=_S.VERIFY,
    message_encoding=_S.LENGTH_PREFIXED,
)

_Options = d.FileOptions | d.MessageOptions | d.EnumOptions | d.FieldOptions | d.OneofOptions


def of_file(file: d.FileDescriptorProto) -> _S:
    """The features that hold in a file."""
    by_syntax = {"proto3": _PROTO3, "editions": _EDITIONS}
    return within(by_syntax.get(file.syntax, _PROTO2), file.options)


def within(outer: _S, options: _Options) -> _S:
    """The features of a declaration that stands where `outer` holds."""
    if not options.HasField("features"):
        return outer
    inner = _S()
    inner.CopyFrom(outer)
    inner.MergeFrom(options.features)
    return inner


def is_required(field: _F, features: _S) -> bool:
    return field.label == _F.LABEL_REQUIRED or features.field_presence == _S.LEGACY_REQUIRED


def has_presence(field: _F, features: _S) -> bool:
    """Whether a single field tells "not there" from its zero."""
    return field.proto3_optional or bool(field.extendee) or features.field_presence != _S.IMPLICIT


def is_packed(field: _F, features: _S) -> bool:
    if field.options.HasField("packed"):
        return field.options.packed
    return features.repeated_field_encoding == _S.PACKED


def is_delimited(field: _F, features: _S) -> bool:
    """Whether a message stands between two tags, as groups do, instead of behind its length."""
    return field.type == _F.TYPE_GROUP or features.message_encoding == _S.DELIMITED


def is_checked(features: _S) -> bool:
    """Whether a string that is not UTF-8 is an error."""
    return features.utf8_validation != _S.NONE


def is_closed(features: _S) -> bool:
    """Whether an enum holds the numbers that it names, and no others."""
    return features.enum_type == _S.CLOSED
