"""Messages that only wrap a scalar, as `google.protobuf.Int32Value`: in a field, the scalar stands for them."""

from __future__ import annotations

from typing import Protocol, TypeVar

_T_co = TypeVar("_T_co", covariant=True)


class Wrapping(Protocol[_T_co]):
    """A message with one field, `value`."""

    @property
    def value(self) -> _T_co: ...

    def __merge__(self, data: bytes, at: int, end: int, depth: int) -> None: ...


def read_wrapped(message: Wrapping[_T_co], data: bytes, at: int, end: int, depth: int) -> _T_co:
    """The scalar in the wrapping message whose body lies between `at` and `end`."""
    message.__merge__(data, at, end, depth)
    return message.value
