"""What CEL complains of, in our words: where in the text, what is wrong, and what to do.

What the library says is known by its form only. A complaint of another form is passed on as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

_PLACE = re.compile(r"(\d+):(\d+): (?:Syntax error: )?(.*)", re.DOTALL)
_QUOTE = re.compile(r"token recognition error at: '([\"'])")
_UNKNOWN_NAME = re.compile(r"undeclared reference to '(.*?)'")
_STATUS = re.compile(r"(?:[A-Z_]+: )?(.*?)(?: \[[A-Z_]+\])?", re.DOTALL)
_OVERLOAD = re.compile(r"(?:found no matching overload for|No matching overloads found :) '?([^ '(]*)'?(.*)")

_PYTHON: Mapping[str, str] = {
    "and": "write && for `and`",
    "or": "write || for `or`",
    "not": "write ! for `not`",
    "is": "write == for `is`",
    "=": "compare with ==",
    "<>": "write != for `<>`",
    "None": "CEL spells it null",
    "True": "CEL spells it true",
    "False": "CEL spells it false",
}
"""What those who think in Python write, and what CEL says there."""
_TYPES: Mapping[str, str] = {
    "string": "a text",
    "int": "a whole number",
    "int64": "a whole number",
    "double": "a number",
    "bool": "a yes or no",
    "null_type": "null",
    "list": "a list",
    "map": "a mapping",
    "dyn": "a value",
}

_Say: TypeAlias = Callable[[re.Match[str]], str]
_ANSWERS: Sequence[tuple[re.Pattern[str], _Say]] = (
    (re.compile(r'No value with name "(.*)"'), lambda m: f"'{m[1]}' has no value here: it did not run, or gave none"),
    (
        re.compile(r'Key not found in map : "?(.*?)"?$'),
        lambda m: f"a mapping has no member '{m[1]}': ask has(...) for it first",
    ),
    (
        re.compile(r"Index error: index=(-?\d+) size=(\d+)"),
        lambda m: f"a list of {m[2]} has no element {m[1]}: ask size(...) first",
    ),
    (
        re.compile(r"Applying SELECT to non-message type|Invalid container type: '(.*)'"),
        lambda _: "it asks a value for a member that is no mapping",
    ),
    (re.compile(r"Iteration budget exceeded"), lambda _: "it takes more than 10,000 steps: ask for less"),
    (
        re.compile(r"integer overflow|out of (?:u?int64 )?range"),
        lambda _: "a number needs more than 64 bits",
    ),
    (re.compile(r"(?:divide|modulus) by zero"), lambda _: "it divides by zero: ask for zero first"),
)


def unreadable(text: str, complaint: str) -> str:
    """Why a condition cannot be read."""
    found = _PLACE.match(_bare(complaint))
    if found is None:
        return _bare(complaint)
    line, column, said = int(found[1]), int(found[2]), found[3]
    written = text.splitlines()[line - 1] if text.strip() else ""
    before, rest = written[: column - 1], written[column - 1 :]
    return f"{_what(before, rest, said)}, {_where(rest, line, column)}"


def unanswerable(complaint: str) -> str:
    """Why a condition has no answer for the values that it met."""
    said = _bare(complaint)
    for pattern, say in _ANSWERS:
        if found := pattern.search(said):
            return say(found)
    return _mismatch(said) or said


def _bare(complaint: str) -> str:
    """The first line of it, without codes."""
    line = complaint.splitlines()[0].removeprefix("INVALID_ARGUMENT: ").removeprefix("ERROR: ").removeprefix("<input>:")
    found = _STATUS.fullmatch(line)
    return found[1] if found else line


def _where(rest: str, line: int, column: int) -> str:
    if not rest.strip():
        return "at its end"
    shown = rest if len(rest) <= 20 else f"{rest[:20]}..."
    return f"at `{shown}` ({f'line {line}, ' if line > 1 else ''}character {column})"


def _what(before: str, rest: str, said: str) -> str:
    if unknown := _UNKNOWN_NAME.search(said):
        return _unknown(unknown[1], rest)
    if quote := _QUOTE.search(said):
        return f"a text is not closed: end it with {quote[1]}"
    if not rest.strip():
        return "something is missing"
    if before.endswith("<"):
        rest = f"<{rest}"
    for word in (*re.findall(r"\w+$", before.rstrip()), *re.findall(r"^\w+|^[=<>]+", rest)):
        if word in _PYTHON:
            return _PYTHON[word]
    return _mismatch(said) or "it cannot be read"


def _unknown(name: str, rest: str) -> str:
    if name in _PYTHON:
        return _PYTHON[name]
    if rest.startswith("("):
        return f"CEL has no function '{name}'"
    return f"'{name}' is unknown: name `inputs` or a step of this workflow"


def _mismatch(said: str) -> str:
    found = _OVERLOAD.search(said)
    if found is None:
        return ""
    operator = found[1].strip("@_") or found[2].partition(").")[2].partition("(")[0]
    types = [_TYPES.get(each, each) for each in re.findall(r"\w+", found[2]) if each in _TYPES]
    return f"{operator} cannot be applied to {' and '.join(types) or 'values of these types'}"
