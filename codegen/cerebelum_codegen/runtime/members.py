"""The members of enums by their numbers, as the codec looks them up."""

from __future__ import annotations

from typing import TypeVar, cast

from cerebelum_codegen.runtime.enum import ClosedEnum, Enum

_E = TypeVar("_E", bound=ClosedEnum)
_O = TypeVar("_O", bound=Enum)


def named(kind: type[_E], number: int) -> _E | None:
    """The member of a closed enum with this number, if there is one."""
    return cast("_E | None", kind._value2member_map_.get(number))


_MEMBERS: dict[type[Enum], dict[int, Enum]] = {}
"""Of open enums that were looked at. To ask a class for an attribute takes longer than all else here."""


def numbered(kind: type[_O], number: int) -> _O:
    """The member of an open enum with this number. To look it up takes a third of the time of a call of the class."""
    members = _MEMBERS.get(kind)
    if members is None:
        members = _MEMBERS[kind] = {each.value: each for each in kind}
    found = cast("_O | None", members.get(number))
    return kind(number) if found is None else found
