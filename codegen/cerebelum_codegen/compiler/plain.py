"""The form in which hand-written modules are compiled: their dataclasses spelt out with the types of their members,
and members of enums read once.

All else stays as it is written. Whatever mypyc cannot compile (a dataclass with type parameters, an async generator,
an enum with methods) does not belong into a module that is on the list.
"""

from __future__ import annotations

import ast

from cerebelum_codegen.compiler.classes import adoption, attributes, constructor, decorator_of, is_of_class
from cerebelum_codegen.compiler.constants import keep_constants
from cerebelum_codegen.compiler.members import read_members_once
from cerebelum_codegen.compiler.patterns import spell_out_patterns

_ADOPTED = ast.parse("from cerebelum_codegen.runtime.adoption import adopt").body


def typed_form(source: str) -> str:
    """The module in the form for the compiler."""
    module = ast.parse(source)
    spell_out_patterns(module)
    read_members_once(module)
    keep_constants(module)
    body: list[ast.stmt] = []
    for node in module.body:
        body.append(node)
        if isinstance(node, ast.ClassDef) and (decorator := decorator_of(node)) is not None:
            body.append(_spelt_out(node, decorator))
    future = next(at for at, node in enumerate(body) if isinstance(node, ast.ImportFrom)) + 1
    module.body = [*body[:future], *_ADOPTED, *body[future:]]
    return ast.unparse(ast.fix_missing_locations(module)) + "\n"


def _spelt_out(node: ast.ClassDef, decorator: ast.expr) -> ast.stmt:
    node.decorator_list.remove(decorator)
    fields = attributes(node)
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and not is_of_class(each):
            each.value = None
    written = decorator.keywords if isinstance(decorator, ast.Call) else []
    by_keyword = any(keyword.arg == "kw_only" for keyword in written)
    node.body.append(constructor(fields, by_keyword=by_keyword, typed=True))
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and ast.unparse(each.body[-1]) == "return copied(self)":
            members = ", ".join(f"{field.name}=self.{field.name}" for field in fields)
            each.body = ast.parse(f"return {node.name}({members})").body
    # A compiled class is never frozen: mypyc would set each member by a call.
    return adoption(node.name, fields, [keyword for keyword in written if keyword.arg not in ("slots", "frozen")])
