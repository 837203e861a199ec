"""Patterns are spelt out as questions: mypyc asks a `match` through the interpreter, and `isinstance` without it.

What it knows of a class it uses in `isinstance(value, C)` and in what follows from it. So a `match` becomes `if` and
`elif`, a union of classes the tuple that is meant, and a name of such a union what it stands for.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator


def spell_out_patterns(module: ast.Module) -> None:
    """Rewrite the matches of a module, and what its functions ask of a value's class, in place."""
    _Matches().visit(module)
    _Classes({name: value for node in module.body for name, value in _unions(node)}).visit(module)


def _unions(node: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    """The names that a statement gives to a union, or to a tuple, of classes."""
    match node:
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.BinOp(op=ast.BitOr()) as value):
            yield name, value
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Tuple() as value):
            yield name, value
        case _:
            pass


class _Classes(ast.NodeTransformer):
    """`isinstance(value, A | B)` as `isinstance(value, (A, B))`."""

    def __init__(self, unions: dict[str, ast.expr]) -> None:
        self._unions = unions

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            value, kinds = node.args
            parts = list(self._parts(kinds))
            if len(parts) > 1 and all(isinstance(part, ast.Attribute | ast.Name) for part in parts):
                node.args = [value, ast.Tuple(parts, ast.Load())]
        return node

    def _parts(self, kinds: ast.expr) -> Iterator[ast.expr]:
        match kinds:
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                yield from self._parts(left)
                yield from self._parts(right)
            case ast.Name(id=name) if name in self._unions:
                yield from self._parts(self._unions[name])
            case ast.Tuple(elts=parts):
                for part in parts:
                    yield from self._parts(part)
            case _:
                yield kinds


class _Matches(ast.NodeTransformer):
    def visit_Match(self, node: ast.Match) -> ast.AST:
        self.generic_visit(node)
        root = _root(node.subject)
        if root is None or not all(_is_plain(case, root) for case in node.cases):
            return node
        rest: list[ast.stmt] = []
        for case in reversed(node.cases):
            body = [*_taken(case.pattern, node.subject), *case.body]
            guard = _of_subject(case.guard, _whole(case.pattern), node.subject)
            asked = [each for each in (_question(case.pattern, node.subject), guard) if each is not None]
            if not asked:
                rest = body
            else:
                rest = [ast.If(asked[0] if len(asked) == 1 else ast.BoolOp(ast.And(), asked), body, rest)]
        return rest[0] if len(rest) == 1 else ast.If(ast.Constant(value=True), rest, [])


def _root(subject: ast.expr) -> str | None:
    """The name that it is read from, if it may be read again and again, which changes nothing."""
    while isinstance(subject, ast.Attribute):
        subject = subject.value
    return subject.id if isinstance(subject, ast.Name) else None


def _is_plain(case: ast.match_case, root: str) -> bool:
    """Whether the pattern asks of the value itself, and neither it nor its guard reads what the pattern sets, but for
    the value itself by another name.
    """
    taken = {name for name, _ in _captures(case.pattern)}
    read = {each.id for each in ast.walk(case.guard) if isinstance(each, ast.Name)} if case.guard else set()
    return not taken & {root, *(read - _whole(case.pattern))} and _is_asked(case.pattern)


def _whole(pattern: ast.pattern) -> set[str]:
    """The names that a pattern gives to the whole value."""
    return {name for name, attribute in _captures(pattern) if attribute is None}


def _of_subject(guard: ast.expr | None, names: set[str], subject: ast.expr) -> ast.expr | None:
    """A guard that asks the value under none of these names."""
    return None if guard is None else _expression(ast.unparse(_Renamed(names, subject).visit(guard)))


class _Renamed(ast.NodeTransformer):
    def __init__(self, names: set[str], subject: ast.expr) -> None:
        self._names = names
        self._subject = subject

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self._subject if node.id in self._names else node


def _is_asked(pattern: ast.pattern) -> bool:
    match pattern:
        case ast.MatchAs(pattern=None) | ast.MatchSingleton() | ast.MatchValue():
            return True
        case ast.MatchAs(pattern=ast.MatchClass() as inner):
            return _is_asked(inner)
        case ast.MatchClass(patterns=[], kwd_patterns=captures):
            return all(isinstance(each, ast.MatchAs) and each.pattern is None and each.name for each in captures)
        case ast.MatchOr(patterns=patterns):
            return all(_is_asked(each) and not _is_anything(each) and not list(_captures(each)) for each in patterns)
        case _:
            return False


def _is_anything(pattern: ast.pattern) -> bool:
    return isinstance(pattern, ast.MatchAs) and pattern.pattern is None


def _captures(pattern: ast.pattern | None) -> Iterator[tuple[str, str | None]]:
    """The names that a pattern sets, each with the attribute that it takes; None for the whole value."""
    match pattern:
        case ast.MatchAs(pattern=inner, name=str(name)):
            yield name, None
            yield from _captures(inner)
        case ast.MatchClass(kwd_attrs=attributes, kwd_patterns=patterns):
            for attribute, each in zip(attributes, patterns, strict=True):
                if isinstance(each, ast.MatchAs) and each.name:
                    yield each.name, attribute
        case _:
            pass


def _taken(pattern: ast.pattern, subject: ast.expr) -> list[ast.stmt]:
    value = ast.unparse(subject)
    taken = [(name, f"{value}.{attribute}" if attribute else value) for name, attribute in _captures(pattern)]
    return ast.parse("\n".join(f"{name} = {part}" for name, part in taken)).body


def _question(pattern: ast.pattern, subject: ast.expr) -> ast.expr | None:
    """What the value must be; None when it may be anything."""
    value = ast.unparse(subject)
    match pattern:
        case ast.MatchClass(cls=kind):
            return _expression(f"isinstance({value}, {ast.unparse(kind)})")
        case ast.MatchAs(pattern=ast.MatchClass() as inner):
            return _question(inner, subject)
        case ast.MatchSingleton(value=constant):
            return _expression(f"{value} is {constant}")
        case ast.MatchValue(value=constant):
            return _expression(f"{value} == {ast.unparse(constant)}")
        case ast.MatchOr(patterns=patterns) if all(isinstance(each, ast.MatchClass) for each in patterns):
            kinds = ", ".join(ast.unparse(each.cls) for each in patterns if isinstance(each, ast.MatchClass))
            return _expression(f"isinstance({value}, ({kinds}))")
        case ast.MatchOr(patterns=patterns):
            return ast.BoolOp(ast.Or(), [each for part in patterns if (each := _question(part, subject)) is not None])
        case _:
            return None


def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body
