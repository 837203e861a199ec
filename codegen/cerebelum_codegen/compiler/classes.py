"""A dataclass is spelt out: mypyc would leave its methods to the interpreter, and cannot compile one with slots at all.

The class gets a constructor of its own; `adopt` makes it a dataclass again when the module is imported. Its attributes
are of any type, as they are in Python: what a field cannot carry is refused when it is written, not when it is set.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_READER = "_{}_from_bytes"
_EMPTY = {"lambda: []": "list", "lambda: {}": "dict"}
"""What type checkers want to see as a function; compiled, each would be a class of its own."""


@dataclass(frozen=True)
class Attribute:
    """One field of a dataclass."""

    name: str
    annotation: str
    default: str | None
    factory: str | None
    """What makes a fresh value for each instance."""
    written: str | None
    """What stands behind the annotation in the source."""


def spell_out(module: ast.Module) -> None:
    """Replace the dataclasses of a module, in place."""
    module.body = [each for node in module.body for each in _spelt_out(node)]


def attributes(node: ast.ClassDef) -> list[Attribute]:
    """The fields that a dataclass declares."""
    return [_attribute(each) for each in node.body if isinstance(each, ast.AnnAssign) and not is_of_class(each)]


def _spelt_out(node: ast.stmt) -> Iterator[ast.stmt]:
    yield node
    decorator = decorator_of(node) if isinstance(node, ast.ClassDef) else None
    if not isinstance(node, ast.ClassDef) or decorator is None:
        return
    node.decorator_list.remove(decorator)
    fields = attributes(node)
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and not is_of_class(each):
            each.annotation, each.value = ast.Name("Any"), None
    written = decorator.keywords if isinstance(decorator, ast.Call) else []
    options = [keyword for keyword in written if keyword.arg != "slots"]
    by_keyword = any(keyword.arg == "kw_only" for keyword in options)
    node.body.append(constructor(fields, by_keyword=by_keyword))
    # What may be missing can be a member (see `native.py`), as it is where the class has slots.
    node.body.append(ast.parse(f"__deletable__ = {[field.name for field in fields]}").body[0])
    methods = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
    if "__merge__" in methods and "from_bytes" not in methods:
        node.body.append(_called_reader(node.name))
        yield from _reader(node.name)
        yield adoption(node.name, fields, options, f"from_bytes={_READER.format(node.name)}")
    else:
        yield adoption(node.name, fields, options)


def decorator_of(node: ast.ClassDef) -> ast.Call | ast.Name | None:
    """What makes a class a dataclass, if it is one."""
    for each in node.decorator_list:
        named = each.func if isinstance(each, ast.Call) else each
        if isinstance(named, ast.Name) and named.id == "dataclass" and isinstance(each, ast.Call | ast.Name):
            return each
    return None


def is_of_class(node: ast.AnnAssign) -> bool:
    """Whether an attribute is the class's own, and no field."""
    return ast.unparse(node.annotation).startswith("ClassVar")


def _attribute(node: ast.AnnAssign) -> Attribute:
    written = ast.unparse(node.value) if node.value is not None else None
    default, factory = written, None
    if isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "field":
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.value.keywords}
        given = {key: _EMPTY.get(value, value) for key, value in given.items()}
        written = f"field({', '.join(f'{key}={value}' for key, value in given.items())})"
        default, factory = given.get("default"), given.get("default_factory")
    return Attribute(ast.unparse(node.target), ast.unparse(node.annotation), default, factory, written)


def constructor(fields: list[Attribute], *, by_keyword: bool, typed: bool = False) -> ast.stmt:
    """What sets every field: to whatever it is given or, `typed`, to what its annotation says."""
    parameters = ["self", *(["*"] if by_keyword and fields else [])]
    lines = []
    unset = "None" if typed else "UNSET"
    for field in fields:
        default = unset if field.factory else field.default
        kind = f"'{field.annotation}'" if typed else "Any"
        if typed and field.factory:
            kind = f"'({field.annotation}) | None'"
        parameters.append(f"{field.name}: {kind}" + (f" = {default}" if default is not None else ""))
        fresh = f"{field.factory}() if {field.name} is {unset} else " if field.factory else ""
        lines.append(f"    self.{field.name} = {fresh}{field.name}")
    return ast.parse("\n".join([f"def __init__({', '.join(parameters)}) -> None:", *(lines or ["    pass"])])).body[0]


def _reader(name: str) -> list[ast.stmt]:
    """`from_bytes` as a function: Python need not bind it to the class each time that it is called."""
    return ast.parse(
        f"""
def {_READER.format(name)}(data: bytes) -> {name}:
    message = {name}()
    try:
        message.__merge__(data, 0, len(data), MAX_DEPTH)
    except Exception as error:
        raise message._malformed(error) from None
    return message
"""
    ).body


def _called_reader(name: str) -> ast.stmt:
    """The method, for compiled code: it calls the function where it stands."""
    return ast.parse(
        f"@classmethod\ndef from_bytes(cls, data: bytes) -> {name}:\n    return {_READER.format(name)}(data)"
    ).body[0]


def adoption(name: str, fields: list[Attribute], options: list[ast.keyword], *more: str) -> ast.stmt:
    """The line that makes a spelt-out class a dataclass again when its module is imported."""
    annotations = {field.name: field.annotation for field in fields}
    defaults = "".join(f"{field.name!r}: {field.written}, " for field in fields if field.written is not None)
    words = "".join(f", {word}" for word in (*map(ast.unparse, options), *more))
    return ast.parse(f"adopt({name}, {annotations!r}, {{{defaults}}}{words})").body[0]
