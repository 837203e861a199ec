"""`google.protobuf.Any`: a message of whatever type, with the name of its type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, Self, TypeVar

from cerebelum_codegen.runtime.errors import DecodeError
from cerebelum_codegen.runtime.message import Message

PREFIX = "type.googleapis.com/"


class Packable(Protocol):
    """What an Any can hold: generated messages, Timestamp and Duration."""

    FULL_NAME: ClassVar[str]

    def to_bytes(self) -> bytes: ...

    @classmethod
    def from_bytes(cls, data: bytes) -> Self: ...


_P = TypeVar("_P", bound=Packable)


@dataclass(slots=True, kw_only=True)
class AnyMessage(Message):
    """Base of Any."""

    type_url: str = ""
    value: bytes = b""

    @classmethod
    def pack(cls, message: Packable) -> Self:
        """An Any that holds the message.

        Raises:
            EncodeError: the message cannot be written.
        """
        return cls(type_url=PREFIX + message.FULL_NAME, value=message.to_bytes())

    def holds(self, kind: type[Packable]) -> bool:
        """Whether this is a message of that type."""
        return self.type_url.rpartition("/")[2] == kind.FULL_NAME

    def unpack(self, kind: type[_P]) -> _P:
        """The message inside.

        Raises:
            DecodeError: it is of another type, or its bytes are malformed.
        """
        if not self.holds(kind):
            raise DecodeError(f"this Any holds {self.type_url.rpartition('/')[2] or 'nothing'}, not {kind.FULL_NAME}")
        return kind.from_bytes(self.value)
