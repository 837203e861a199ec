"""Values as Python source: calls with keyword arguments, in one line where they fit, else one argument a line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import TypeAlias, cast

from cerebelum_codegen.plugin.descriptors import literal
from cerebelum_codegen.runtime import Message
from cerebelum_codegen.runtime.descriptor import fields_of

_WIDTH = 100
_INDENT = " " * 4
_SPANS = (("days", 86_400_000), ("hours", 3_600_000), ("minutes", 60_000), ("seconds", 1_000), ("milliseconds", 1))

Tree: TypeAlias = "str | tuple[str, list[Tree], str]"
"""Source: a text, or what opens a group, its parts, and what closes it."""


def message(value: Message, indent: int = 0) -> str:
    """A message of the contract; what holds its zero is left out."""
    return laid(_message(value), indent)


def laid(tree: Tree, indent: int = 0) -> str:
    """A tree as source that begins at this indent."""
    flat = _flat(tree)
    if isinstance(tree, str) or len(flat) + indent * len(_INDENT) <= _WIDTH:
        return flat
    opening, parts, closing = tree
    inner = _INDENT * (indent + 1)
    lines = [f"{inner}{laid(part, indent + 1)},\n" for part in parts]
    return f"{opening}\n{''.join(lines)}{_INDENT * indent}{closing}"


def texts(values: Iterable[str]) -> str:
    """A tuple of texts."""
    spelled = [literal(value) for value in values]
    return f"({spelled[0]},)" if len(spelled) == 1 else f"({', '.join(spelled)})"


def span(milliseconds: int) -> str:
    """A timedelta in the largest unit that holds it whole; None for no time."""
    if not milliseconds:
        return "None"
    unit, size = next((unit, size) for unit, size in _SPANS if milliseconds % size == 0)
    return f"timedelta({unit}={milliseconds // size})"


def _flat(tree: Tree) -> str:
    if isinstance(tree, str):
        return tree
    opening, parts, closing = tree
    return f"{opening}{', '.join(map(_flat, parts))}{closing}"


def _message(value: Message) -> Tree:
    told = [(field, getattr(value, field.attribute)) for field in fields_of(type(value))]
    said = [(field.attribute, each) for field, each in told if each or (each is not None and field.presence)]
    parts = [_named(name, _value(each)) for name, each in said]
    return (f"v1.{type(value).__name__}(", parts, ")")


def _named(name: str, tree: Tree) -> Tree:
    if isinstance(tree, str):
        return f"{name}={tree}"
    opening, parts, closing = tree
    return (f"{name}={opening}", parts, closing)


def _value(value: object) -> Tree:
    match value:
        case Message():
            return _message(value)
        case IntEnum():
            return f"v1.{type(value).__name__}.{value.name}"
        case list():
            return ("[", [_value(item) for item in cast("Sequence[object]", value)], "]")
        case dict():
            named = cast("Mapping[object, object]", value).items()
            return ("{", [f"{key!r}: {_flat(_value(item))}" for key, item in named], "}")
        case str():
            return literal(value)
        case _:
            return repr(value)
