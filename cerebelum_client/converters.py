"""Converters of your own: how a type that this library does not know travels, and comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cerebelum_client.errors import PayloadError

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Converter(Generic[_T]):
    """Says how values of one type travel.

    `name` goes with them and stays as it is: a value that was written under it may be read in a year.

    Money(amount, currency) as a list, for example:
        Converter("money", Money, lambda money: [money.amount, money.currency], lambda parts: Money(*parts))
    """

    name: str
    kind: type[_T]
    write: Callable[[_T], object]
    """Gives a value that can travel."""
    read: Callable[[Any], _T]  # Any: what `write` gave, and only its author knows what that is
    """Takes what `write` gave."""


class Converters:
    """Some converters, by what they write and by what they are called."""

    def __init__(self, converters: Iterable[Converter[Any]] = ()) -> None:  # Any: converters of any types together
        """Put converters together.

        Raises:
            ValueError: two of them have one name.
        """
        self._all = tuple(converters)
        self._by_name = {each.name: each for each in self._all}
        if len(self._by_name) < len(self._all):
            raise ValueError("two converters have one name: give each its own")

    def of(self, value: object) -> Converter[Any] | None:
        """Who writes a value: the first whose type it is of."""
        return next((each for each in self._all if isinstance(value, each.kind)), None)

    def named(self, name: str) -> Converter[Any]:
        """Who reads what was written under a name.

        Raises:
            PayloadError: nobody here.
        """
        found = self._by_name.get(name)
        if found is None:
            raise PayloadError(f"a payload was written by converter '{name}', which is not here: pass it in converters")
        return found
