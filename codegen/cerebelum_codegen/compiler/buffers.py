"""Where the source gathers byte strings in a list and joins them, the compiled form writes into one growing buffer."""

from __future__ import annotations

import ast

_NUMBERS = {"varint", "int32", "int64", "uint32", "uint64", "sint32", "sint64"}
_WRITERS = {
    "boolean": "_write_bool",
    "pack_double": "write_f64_le",
    "pack_float": "_write_float",
    "pack_fixed32": "_write_fixed32",
    "pack_fixed64": "_write_fixed64",
    "pack_sfixed32": "_write_sfixed32",
    "pack_sfixed64": "_write_sfixed64",
}
_CASTS = {"int", "str", "float"}


def write_into_buffers(module: ast.Module) -> None:
    """Rewrite every function that gathers parts in `list[bytes]`, in place."""
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef):
            fields = {
                ast.unparse(each.target): ast.unparse(each.annotation).removesuffix(" | None")
                for each in node.body
                if isinstance(each, ast.AnnAssign)
            }
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and method.name == "__write__":
                    _Typed(fields).visit(method)
                    _Loops().visit(method)
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef) and node.name != "__merge__":
            buffers = {
                ast.unparse(each.target)
                for each in ast.walk(node)
                if isinstance(each, ast.AnnAssign) and _gathers(each)
            }
            if buffers:
                _Written(buffers).visit(node)


def _gathers(node: ast.AnnAssign) -> bool:
    return ast.unparse(node.annotation) == "list[bytes]" and isinstance(node.value, ast.List) and not node.value.elts


class _Typed(ast.NodeTransformer):
    """`self.name` where a field is read, with the type that it is declared with; another type is an error there."""

    def __init__(self, fields: dict[str, str]) -> None:
        self.fields = fields

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        if isinstance(node.ops[0], ast.Is | ast.IsNot):
            return node
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        kind = self.fields.get(node.attr)
        if kind in _CASTS and isinstance(node.value, ast.Name) and node.value.id == "self":
            return _expression(f"cast({kind}, {ast.unparse(node)})")
        return node


class _Loops(ast.NodeTransformer):
    """Nothing is gone through that is empty: an iterator, and the view of a map, are made for each loop."""

    def visit_For(self, node: ast.For) -> ast.AST:
        match node.iter:
            case ast.Attribute(value=ast.Name(id="self")) as items:
                kind = "list"
            case ast.Call(func=ast.Attribute(value=ast.Attribute(value=ast.Name(id="self")) as items, attr="items")):
                kind = "dict"
            case _:
                return node
        name = ast.unparse(items)
        return ast.If(_expression(f"not (isinstance({name}, {kind}) and len({name}) == 0)"), [node], [])


class _Written(ast.NodeTransformer):
    def __init__(self, buffers: set[str]) -> None:
        self.buffers = buffers

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if _gathers(node):
            return _statement(f"{ast.unparse(node.target)} = BytesWriter()")
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST | list[ast.stmt]:
        match node.value:
            case ast.Call(
                func=ast.Attribute(value=ast.Constant(value=b""), attr="join"),
                args=[ast.ListComp(elt=part, generators=[ast.comprehension(target=item, iter=items, ifs=[])])],
            ):
                packed = f"packed_{ast.unparse(item)}"
                return [
                    _statement(f"{packed} = BytesWriter()"),
                    ast.For(item, items, [_statement(_write(packed, part))], []),
                    _statement(f"{ast.unparse(node.targets[0])} = {packed}.getvalue()"),
                ]
            case _:
                return self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST | list[ast.stmt]:
        if isinstance(node.value, ast.Tuple) and ast.unparse(node.target) in self.buffers:
            return [_statement(_write(ast.unparse(node.target), part)) for part in node.value.elts]
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST | list[ast.stmt]:
        match node.value:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append"), args=[part]) if (
                name in self.buffers
            ):
                return [_statement(_write(name, each)) for each in _terms(part)]
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Constant(value=b""), attr="join"), args=[ast.Name(id=name)]) if (
                name in self.buffers
            ):
                return _expression(f"{name}.getvalue()")
        return node


def _terms(part: ast.expr) -> list[ast.expr]:
    if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add):
        return [*_terms(part.left), *_terms(part.right)]
    return [part]


def _write(buffer: str, part: ast.expr) -> str:
    match part:
        case ast.Constant(value=bytes(literal)) if len(literal) == 1:
            return f"{buffer}.append({literal[0]})"
        case ast.IfExp(orelse=ast.Call(func=ast.Name(id=kind), args=[number])) if kind in _NUMBERS:
            return f"_write_{kind}({buffer}, {ast.unparse(number)})"
        case ast.Call(func=ast.Name(id=kind), args=[number]) if kind in _NUMBERS:
            return f"_write_{kind}({buffer}, {ast.unparse(number)})"
        case ast.Call(func=ast.Name(id=kind), args=[number]) if kind in _WRITERS:
            return f"{_WRITERS[kind]}({buffer}, {ast.unparse(number)})"
        case _:
            return f"{buffer}.write({ast.unparse(part)})"


def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _statement(text: str) -> ast.stmt:
    return ast.parse(text).body[0]
