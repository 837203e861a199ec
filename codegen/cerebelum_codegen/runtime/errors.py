"""Errors of the codec.

CodecError            a ValueError: the bytes or the value are at fault
|-- DecodeError       bytes that are not a message
`-- EncodeError       a value that its field cannot carry
    `-- Missing       a required field without a value
"""

from __future__ import annotations


class CodecError(ValueError):
    """Bytes and messages that do not fit each other."""


class DecodeError(CodecError):
    """The bytes are not a well-formed message of the expected type."""


class EncodeError(CodecError):
    """A field holds a value that its type cannot carry; the message names the field."""


class Missing(EncodeError):
    """A required field of proto2 has no value."""
