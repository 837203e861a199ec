"""From a module's source to the form that mypyc compiles."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

from cerebelum_codegen.compiler.buffers import write_into_buffers
from cerebelum_codegen.compiler.classes import spell_out
from cerebelum_codegen.compiler.patterns import spell_out_patterns

_PRELUDE = ast.parse(Path(__file__).with_name("prelude.py").read_text())
_READERS = {
    "unpack_double": "read_f64_le",
    "unpack_float": "read_f32_le",
    "unpack_fixed32": "_read_fixed32",
    "unpack_fixed64": "_read_fixed64",
    "unpack_sfixed32": "read_i32_le",
    "unpack_sfixed64": "read_i64_le",
}
_OWN = {"read_varint": "_read_varint", "pack_double": "_pack_double", "is_default_float": "_is_default_float"}


def compiled_form(source: str) -> str:
    """The module in the form for the compiler."""
    module = ast.parse(source)
    spell_out_patterns(module)
    write_into_buffers(module)
    spell_out(module)
    _Readers().visit(module)
    future = next(i for i, node in enumerate(module.body) if isinstance(node, ast.ImportFrom)) + 1
    # mypyc looks for a base class where it is defined, and only among the modules that are imported by name.
    bases = ast.parse("import cerebelum_codegen.runtime.enum, cerebelum_codegen.runtime.message")
    imports = next(
        i for i, node in enumerate(module.body) if i >= future and not isinstance(node, ast.Import | ast.ImportFrom)
    )
    head, own = _split(_PRELUDE.body[1:])
    module.body[imports:imports] = own
    module.body[future:future] = [*bases.body, *head]
    return ast.unparse(ast.fix_missing_locations(module)) + "\n"


def _split(body: list[ast.stmt]) -> tuple[list[ast.stmt], list[ast.stmt]]:
    imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    return list(imports), [node for node in body if node not in imports]


class _Readers(ast.NodeTransformer):
    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        match node:
            case ast.Subscript(value=ast.Call(func=ast.Name(id=name), args=arguments), slice=ast.Constant(value=0)) if (
                name in _READERS
            ):
                return ast.Call(func=ast.Name(id=_READERS[name]), args=arguments, keywords=[])
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in _OWN:
                return ast.Call(func=ast.Name(id=_OWN[name]), args=node.args, keywords=[])
            case ast.Call(func=ast.Name(id="unpack_instant"), args=[data, at]):
                return _each(data, at, range(11))
            case ast.Call(func=ast.Subscript(value=ast.Name(id="unpack_entry"), slice=key), args=[data, at]):
                before, behind = range(4), [f"4 + {ast.unparse(key)} + {more}" for more in range(4)]
                return _each(data, at, [*before, f"4:{ast.unparse(at)} + 4 + {ast.unparse(key)}", *behind])
            case _:
                return node


def _each(data: ast.expr, at: ast.expr, places: Iterable[int | str]) -> ast.expr:
    """Bytes one by one: to fetch several in one call is quicker in the interpreter alone."""
    parts = ", ".join(f"{ast.unparse(data)}[{ast.unparse(at)} + {place}]" for place in places)
    return ast.parse(f"({parts})", mode="eval").body
