"""What a module keeps under a name in capitals is set once: the compiler may put it where it is used."""

from __future__ import annotations

import ast
import re

_CAPITALS = re.compile(r"_?[A-Z][A-Z0-9]+(_[A-Z0-9]+)*|_[A-Z]{2,}")
_FINAL = ast.parse("from typing import Final as _Constant").body


def keep_constants(module: ast.Module) -> None:
    """Declare the constants of a module as what they are, in place."""
    found = False
    for at, node in enumerate(module.body):
        match node:
            case ast.Assign(targets=[ast.Name(id=name) as target], value=value) if is_constant(name):
                module.body[at] = ast.AnnAssign(target, ast.Name("_Constant"), value, simple=1)
                found = True
    if found:
        future = next(at for at, node in enumerate(module.body) if isinstance(node, ast.ImportFrom)) + 1
        module.body[future:future] = _FINAL


def is_constant(name: str) -> bool:
    """Whether a name is written in capitals."""
    return _CAPITALS.fullmatch(name) is not None
