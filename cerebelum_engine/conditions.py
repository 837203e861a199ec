"""Text conditions: the Common Expression Language, by Google's own library, which stops after 10,000 iterations.

CEL has no loops but over data, no I/O and no state, and what it means is the same in every language. The library is
loaded when the first condition is met: nobody else needs it.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Protocol

from cerebelum_engine.cel_faults import unanswerable, unreadable
from cerebelum_engine.values import Value

INPUTS = "inputs"
LONGEST = 2_000
"""A condition may have so many characters."""


class ConditionError(ValueError):
    """A condition that cannot be read, or has no yes or no for these values."""


class _Kind(Protocol):
    def name(self) -> str: ...


class _Answer(Protocol):
    def value(self) -> object: ...
    def type(self) -> _Kind: ...


class _Program(Protocol):
    def eval(self, *, data: Mapping[str, Value]) -> _Answer: ...
    def return_type(self) -> _Kind: ...


class _Environment(Protocol):
    def compile(self, expression: str) -> _Program: ...


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition over named values."""

    text: str
    names: tuple[str, ...]

    def check(self) -> None:
        """See that it can be evaluated.

        Raises:
            ConditionError: it is no CEL, names what is not there, or cannot give a yes or no.
        """
        kind = _compiled(self.text, self.names).return_type().name()
        if kind not in ("BOOL", "DYN"):
            raise ConditionError(f"it gives {kind.lower()}, not a yes or no")

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether it holds for these values.

        Raises:
            ConditionError: it cannot be evaluated for them.
        """
        given = {name: value for name, value in values.items() if name in self.names}
        try:
            answer = _compiled(self.text, self.names).eval(data=given)
        except (RuntimeError, ValueError, TypeError, OverflowError) as error:
            raise ConditionError(unanswerable(str(error))) from None
        kind = answer.type().name()
        if kind == "BOOL":
            return answer.value() is True
        if kind == "ERROR":
            raise ConditionError(unanswerable(str(answer.value())))
        raise ConditionError(f"it gave {kind.lower()}, not a yes or no")


def names_for(steps: Iterable[str]) -> tuple[str, ...]:
    """What a condition may name: `inputs`, and each step whose name CEL can spell."""
    return (INPUTS, *(name for name in steps if name.isidentifier() and not keyword.iskeyword(name)))


@lru_cache(maxsize=1_000)
def _compiled(text: str, names: tuple[str, ...]) -> _Program:
    if len(text) > LONGEST:
        raise ConditionError(f"it has {len(text)} characters; at most {LONGEST} are evaluated")
    try:
        return _environment(names).compile(text)
    except (RuntimeError, ValueError) as error:
        raise ConditionError(unreadable(text, str(error))) from None


@lru_cache(maxsize=100)
def _environment(names: tuple[str, ...]) -> _Environment:
    try:
        cel = import_module("cel_expr_python.cel")  # it has no types that a checker would find
    except ImportError:
        raise ConditionError("text conditions need one more package: pip install 'cerebelum[conditions]'") from None
    environment: _Environment = cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN))
    return environment
