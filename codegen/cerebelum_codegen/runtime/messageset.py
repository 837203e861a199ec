"""MessageSet: a message of proto2 that holds only extensions, each in a group of its own with its number beside it.

Here each is kept as the plain field that it would be in any other message, and put into its group when it is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cerebelum_codegen.runtime.descriptor import check_extensions
from cerebelum_codegen.runtime.errors import DecodeError
from cerebelum_codegen.runtime.message import Message
from cerebelum_codegen.runtime.wire import (
    MAX_DEPTH,
    group,
    kept,
    read_size,
    read_tag,
    read_varint,
    size,
    skip,
    too_deep,
    truncated,
    varint,
)

_ITEM: Final = 1 << 3 | 3
_ITEM_END: Final = b"\x0c"
_TYPE_ID: Final = 2 << 3
_MESSAGE: Final = 3 << 3 | 2


@dataclass(slots=True, kw_only=True)
class MessageSet(Message):
    """Base of messages with `option message_set_wire_format`."""

    def to_bytes(self) -> bytes:
        return self.__write__(MAX_DEPTH)

    def __write__(self, depth: int) -> bytes:
        out: list[bytes] = []
        data, at, end = bytes(self._unknown), 0, len(self._unknown)
        while at < end:
            start = at
            tag, at = read_tag(data, at)
            body = at
            at = skip(data, at, end, tag, depth)
            if tag & 7 == 2:
                out += (b"\x0b\x10", varint(tag >> 3), b"\x1a", data[body:at], _ITEM_END)
            else:
                out.append(data[start:at])
        return b"".join(out)

    def __merge__(self, data: bytes, at: int, end: int, depth: int) -> None:
        if depth < 0:
            raise too_deep()
        unknown: list[bytes] = []
        while at < end:
            start = at
            tag, at = read_tag(data, at)
            if tag == _ITEM:
                stop, beyond = group(data, at, end, 1, depth)
                unknown.append(_item(data, at, stop, depth))
                at = beyond
            else:
                at = skip(data, at, end, tag, depth)
                unknown.append(data[start:at])
        if at != end:
            raise truncated()
        self._unknown = kept(self._unknown, unknown)
        check_extensions(self, unknown, depth)


def _item(data: bytes, at: int, end: int, depth: int) -> bytes:
    """The field that an item stands for; its number may come behind its message."""
    number, parts = 0, list[bytes]()
    while at < end:
        tag, at = read_tag(data, at)
        if tag == _TYPE_ID and number == 0:
            number, at = read_varint(data, at)
        elif tag == _MESSAGE:
            length, at = read_size(data, at)
            parts.append(data[at : at + length])
            at += length
        else:
            at = skip(data, at, end, tag, depth)
    if at != end:
        raise truncated()
    if not 0 < number < 1 << 29:
        raise DecodeError(f"an item of a message set has the number {number}")
    tag_bytes, body = varint(number << 3 | 2), b"".join(parts)
    return b"".join((tag_bytes, size(len(body)), body)) if parts else b""
