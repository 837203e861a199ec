"""What an rpc is: its route, its messages, and whether it may be called twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar


class Travelling(Protocol):
    """What a call carries: a message, or a well-known type that has a form of its own in Python."""

    def to_bytes(self) -> bytes: ...

    @classmethod
    def from_bytes(cls, data: bytes) -> Self: ...


Request = TypeVar("Request", bound=Travelling)
Response = TypeVar("Response", bound=Travelling)


@dataclass(frozen=True, slots=True)
class Method(Generic[Request, Response]):
    """One rpc of a service."""

    route: str
    """The path of its calls: `/package.Service/Name`."""
    request: type[Request]
    response: type[Response]
    idempotent: bool = False
    """Calling it twice does what calling it once does, as its `idempotency_level` says: a stub may try again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtoFile:
    """A .proto file as reflection serves it."""

    name: str
    symbols: tuple[str, ...]
    """The full names of its messages, enums, services, methods and extensions."""
    extensions: tuple[tuple[str, int], ...]
    """Which messages it extends, and by which numbers."""
    imports: tuple[str, ...]
    content: bytes
    """Its `google.protobuf.FileDescriptorProto`."""
