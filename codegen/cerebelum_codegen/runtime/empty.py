"""`google.protobuf.Empty`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from cerebelum_codegen.runtime.descriptor import describe
from cerebelum_codegen.runtime.message import Message
from cerebelum_codegen.runtime.wire import kept, read_tag, skip, truncated


@dataclass(slots=True, kw_only=True)
class Empty(Message):
    """A message without fields."""

    FULL_NAME: ClassVar[str] = "google.protobuf.Empty"

    _unknown: bytes | bytearray = field(default=b"", repr=False)

    def to_bytes(self) -> bytes:
        return bytes(self._unknown)

    def __write__(self, depth: int) -> bytes:
        return bytes(self._unknown)

    def __merge__(self, data: bytes, at: int, end: int, depth: int) -> None:
        start = at
        while at < end:
            tag, at = read_tag(data, at)
            at = skip(data, at, end, tag, depth)
        if at != end:
            raise truncated()
        if start < end:
            self._unknown = kept(self._unknown, [data[start:end]])


describe(Empty)
