"""Conditions over messages: the worker evaluates them, since only it can read what its steps give."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from cerebelum.context import Context
from cerebelum.step import CONTEXT, INPUTS
from cerebelum_codegen.runtime import Duration, Message, Timestamp
from cerebelum_codegen.runtime.descriptor import held, names_of
from cerebelum_codegen.runtime.enum import ClosedEnum, Enum
from cerebelum_engine.conditions import Condition
from cerebelum_engine.values import Value


@dataclass(frozen=True, slots=True)
class TextCondition:
    """An expression in CEL over what a step gave and took, by name.

    Messages are seen with the names of their contract; numbers are numbers, enums their names, instants ISO texts,
    spans seconds, bytes base64. What is not set is not there: `has(order.customer)` tells.
    """

    step: str
    """The step that it asks about."""
    text: str

    def __call__(self, value: object) -> bool:
        """Whether it holds for what the step gave, alone."""
        return self.holds(value, {})

    def holds(self, value: object, arguments: Mapping[str, object]) -> bool:
        """Whether it holds for what the step gave and took.

        Raises:
            ConditionError: it cannot be evaluated for them.
        """
        values = {**arguments, self.step: value}
        if isinstance(context := arguments.get(CONTEXT), Context):
            values[INPUTS] = context.inputs
        seen = {name: plain(each) for name, each in values.items() if name in self.text}
        return Condition(self.text, tuple(seen)).holds(seen)


def plain(value: object) -> Value:
    """A value as conditions see it."""
    match value:
        case Message():
            return {field.name: plain(inner) for field, inner in held(value)}
        case Enum() | ClosedEnum():
            return next((name for name, number in names_of(type(value)).items() if number == value), int(value))
        case bytes():
            return base64.b64encode(value).decode()
        case Timestamp():
            return value.to_datetime().isoformat()
        case Duration():
            return value.to_timedelta().total_seconds()
        case list():
            return [plain(item) for item in cast("list[object]", value)]
        case dict():
            return {str(key): plain(item) for key, item in cast("dict[object, object]", value).items()}
        case None | bool() | int() | float() | str():
            return value
        case _:
            return None
