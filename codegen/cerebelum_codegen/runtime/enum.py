"""Enums. In an open one a number that a newer sender knows is kept; in a closed one it is an unknown field."""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class Enum(IntEnum):
    """Base of generated enums. `TaskStatus(99)` is an unnamed member with that value."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int) or not -0x80000000 <= value <= 0x7FFFFFFF:
            return None
        # Not registered with the class: what strangers send must not fill the memory.
        member = int.__new__(cls, value)
        member._name_ = f"UNRECOGNIZED_{value}"
        member._value_ = value
        return member

    def __reduce_ex__(self, protocol: object) -> tuple[type[Self], tuple[int]]:
        return type(self), (self.value,)


class NullValue(Enum):
    """`google.protobuf.NullValue`: what a single field of type Value holds that is there and null."""

    NULL_VALUE = 0


class ClosedEnum(IntEnum):
    """Base of generated enums of proto2. They hold the numbers that they name and no others."""
