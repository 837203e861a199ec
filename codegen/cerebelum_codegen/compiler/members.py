"""Members of enums are read once: to look one up by its name in its class costs more than what is done with it.

Whatever a class holds under a name in capitals is taken for such a constant, and what is imported under one, too.
"""

from __future__ import annotations

import ast

from cerebelum_codegen.compiler.constants import is_constant

_FINAL = ast.parse("from typing import Final as _Final").body


def read_members_once(module: ast.Module) -> None:
    """Give each member that the functions of a module use a name of its own, in place."""
    classes = {node.name: at for at, node in enumerate(module.body) if isinstance(node, ast.ClassDef)}
    imports = [at for at, node in enumerate(module.body) if isinstance(node, ast.Import | ast.ImportFrom)]
    uses = _Uses({name for at in imports for name in _names(module.body[at])} | set(classes))
    uses.visit(module)
    places = [(classes.get(written[0], imports[-1]) + 1, name, written) for name, written in uses.found.items()]
    for after, name, written in sorted(places, reverse=True):  # the last first, so that places stay what they are
        module.body[after:after] = ast.parse(f"{name}: _Final = {'.'.join(written)}").body
    if uses.found:
        future = imports[0] + 1
        module.body[future:future] = _FINAL


def _names(node: ast.stmt) -> list[str]:
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return []
    return [each.asname or each.name for each in node.names]


class _Uses(ast.NodeTransformer):
    """Replaces the members in the bodies of functions by their new names, and keeps what each stands for."""

    def __init__(self, known: set[str]) -> None:
        self.found: dict[str, list[str]] = {}
        self._known = known
        self._inside = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def visit_MatchValue(self, node: ast.MatchValue) -> ast.AST:
        return node  # a plain name there would take the value instead of comparing with it

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if not self._inside or node.id not in self._known or not is_constant(node.id):
            return node
        return self._read_once([node.id], node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        written = _dotted(node)
        if not self._inside or not written or written[0] not in self._known or not _is_member(written):
            self.generic_visit(node)
            return node
        return self._read_once(written, node)

    def _read_once(self, written: list[str], node: ast.expr) -> ast.AST:
        name = "_member_" + "_".join(written)
        self.found[name] = written
        return ast.copy_location(ast.Name(name), node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        before, self._inside = self._inside, True
        node.body = [self.visit(each) for each in node.body]
        self._inside = before
        return node


def _dotted(node: ast.expr) -> list[str]:
    """The names of `a.B.C`; empty when it begins with anything but a name."""
    if isinstance(node, ast.Name):
        return [node.id]
    head = _dotted(node.value) if isinstance(node, ast.Attribute) else []
    return [*head, node.attr] if head and isinstance(node, ast.Attribute) else []


def _is_member(written: list[str]) -> bool:
    return len(written) in (2, 3) and written[-1].isupper() and written[-2][0].isupper() and not written[-2].isupper()
