"""Runs mypyc, and lets Python read an attribute where it stands instead of calling for it.

Beside each attribute mypyc writes two functions, which Python calls to get and to set it. An attribute that may hold
anything, or nothing, needs neither: a member, as `__slots__` makes them, tells the interpreter where it stands. What
mypyc writes in another way than is expected here stays as it is.

A Python of its own runs this file (see `build.py`): it imports nothing from here.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path

# It indents all of it when it compiles several modules together.
_SETTER = re.compile(
    r"^( *)(\w+_set_\w+)\((\w+) \*self, PyObject \*value, void \*closure\)\n\1\{\n(.*?)^\1\}", re.M | re.S
)
_PAIRS = re.compile(r"^( *)static PyGetSetDef (\w+)_getseters\[\] = \{\n(.*?)^\1\};\n", re.M | re.S)
_PAIR = re.compile(r'^ *\{"(\w+)",\n *\(getter\)\w+, \(setter\)(\w+),\n *NULL, NULL\},\n', re.M)
_MEMBERS = re.compile(r"^ *PyMemberDef (\w+)_members\[\] = \{\n", re.M)
_TYPE = re.compile(r"^ *\.tp_getset = (\w+)_getseters,\n", re.M)


def main(group: str, level: str, modules: list[str]) -> None:
    from mypyc.build import mypycify

    extensions = mypycify(modules, opt_level=level, debug_level="0", group_name=group)
    for path in Path("build").rglob("*.c"):
        path.write_text(with_members(path.read_text()))
    import_module("setuptools").setup(name=group, ext_modules=extensions, script_args=["-q", "build_ext", "--inplace"])


def with_members(c: str) -> str:
    """What mypyc wrote, with members for the attributes that may hold anything or nothing."""
    setters = {name: (struct, body) for _, name, struct, body in _SETTER.findall(c)}
    members = {kind: _members(pairs, setters) for _, kind, pairs in _PAIRS.findall(c)}
    begun = set(_MEMBERS.findall(c))
    # A type that has members already gets these in front of them; what stands behind by the same name does not count.
    c = _MEMBERS.sub(lambda found: found[0] + members.get(found[1], ""), c)
    added = {kind: lines for kind, lines in members.items() if lines and kind not in begun}
    c = _PAIRS.sub(lambda found: _table(found[2], added) + found[0], c)
    return _TYPE.sub(lambda found: found[0] + f"    .tp_members = {found[1]}_members,\n" * (found[1] in added), c)


def _members(pairs: str, setters: dict[str, tuple[str, str]]) -> str:
    return "".join(
        f'    {{"{name}", T_OBJECT_EX, offsetof({setters[setter][0]}, _{name}), 0, NULL}},\n'
        for name, setter in _PAIR.findall(pairs)
        if setter in setters and _takes_anything(setters[setter][1])
    )


def _takes_anything(body: str) -> bool:
    return "PyObject *tmp = value;" in body and "PyErr_" not in body


def _table(kind: str, added: dict[str, str]) -> str:
    return f"static PyMemberDef {kind}_members[] = {{\n{added[kind]}    {{0}}\n}};\n\n" if kind in added else ""


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
