"""Which classes are plain values: dataclasses that name no class which could lead back to them.

Only a value that holds others of its own kind can be one of its own parts, or nest without end. Whatever is not a class
of these modules, lists and functions too, is taken at its word: a value that holds a callback is not for this list.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from cerebelum_codegen.compiler.classes import attributes, decorator_of

_MESSAGE = "Message"


def plain_values(modules: Iterable[tuple[str, str]]) -> list[str]:
    """The full names of the plain values in modules, each of which is given by its name and its source."""
    classes = [(name, node) for name, source in modules for node in _classes(source)]
    parts: dict[str, set[str]] = {}
    for _, node in classes:
        parts.setdefault(node.name, set()).update(_named(node))  # two classes of one name are taken for one
    values = [(name, node.name) for name, node in classes if _is_value(node)]
    return [f"{module}.{name}" for module, name in values if name not in _within(name, parts)]


def _classes(source: str) -> Iterator[ast.ClassDef]:
    return (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))


def _is_value(node: ast.ClassDef) -> bool:
    bases = [ast.unparse(base) for base in node.bases]
    return decorator_of(node) is not None and bases in ([], [_MESSAGE])


def _named(node: ast.ClassDef) -> Iterator[str]:
    """Every name in what its fields are said to hold."""
    for field in attributes(node):
        for each in ast.walk(ast.parse(field.annotation)):
            if isinstance(each, ast.Name):
                yield each.id
            elif isinstance(each, ast.Attribute):
                yield each.attr


def _within(name: str, parts: dict[str, set[str]]) -> set[str]:
    """The classes that one leads to, over any number of others."""
    found: set[str] = set()
    left = [name]
    while left:
        new = parts.get(left.pop(), set()) - found
        found |= new
        left += new
    return found
