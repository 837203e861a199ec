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
    trees = [(name, ast.parse(source)) for name, source in modules]
    classes = [(name, node) for name, tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]
    parts: dict[str, set[str]] = {}
    for _, node in classes:
        for field in attributes(node):
            # Two classes of one name are taken for one.
            parts.setdefault(node.name, set()).update(_names(ast.parse(field.annotation)))
    for _, tree in trees:
        for alias in tree.body:
            if isinstance(alias, ast.AnnAssign) and ast.unparse(alias.annotation).endswith("TypeAlias") and alias.value:
                parts.setdefault(ast.unparse(alias.target), set()).update(_names(alias.value))
    values = [(name, node.name) for name, node in classes if _is_value(node)]
    return [f"{module}.{name}" for module, name in values if name not in _within(name, parts)]


def _is_value(node: ast.ClassDef) -> bool:
    bases = [ast.unparse(base) for base in node.bases]
    return decorator_of(node) is not None and bases in ([], [_MESSAGE])


def _names(node: ast.AST) -> Iterator[str]:
    """Every name in what fields are said to hold."""
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            yield each.id
        elif isinstance(each, ast.Attribute):
            yield each.attr
        elif isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield from _names(ast.parse(each.value))


def _within(name: str, parts: dict[str, set[str]]) -> set[str]:
    """What a class leads to, over any number of others."""
    found: set[str] = set()
    left = [name]
    while left:
        new = parts.get(left.pop(), set()) - found
        found |= new
        left += new
    return found
