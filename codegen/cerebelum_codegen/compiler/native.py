"""Runs mypyc and the C compiler, and mends what mypyc writes in between.

Beside each attribute mypyc writes two functions, which Python calls to get and to set it. An attribute that may hold
anything, or nothing, needs neither: a member, as `__slots__` makes them, tells the interpreter where it stands.

The instances of a class are looked after by the garbage collector, and have a dictionary if the class has a base that
is not compiled with it. A plain value (`values.py` says which are) needs neither: it never leads back to itself, nor to
so many others that the stack would not do to free them one inside the other. mypyc has a word for that, `acyclic`, but
not for a class with such a base, and what it then writes frees a value by the collector's means where values nest deep.

What mypyc writes in another way than is expected here stays as it is.

What one compiled function calls in another is no business of who loads the library: hidden, the C compiler may put it
in its place, or call it by itself instead of over a table.

Half of what mypyc writes is for what fails. The C compiler is told that this is cold: it puts it away from what runs,
and spends no time on it.

What is compiled in haste, to be tested and not to be quick, is one C file a module, and as many are compiled at once as
there are processors. To be quick it is one C file in all, so that the C compiler sees every call whole.

A Python of its own runs this file (see `build.py`): it imports nothing from here.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from importlib import import_module
from multiprocessing.pool import ThreadPool
from pathlib import Path
from sysconfig import get_path
from typing import Protocol

# It indents all of it when it compiles several modules together.
_SETTER = re.compile(
    r"^( *)(\w+_set_\w+)\((\w+) \*self, PyObject \*value, void \*closure\)\n\1\{\n(.*?)^\1\}", re.M | re.S
)
_PAIRS = re.compile(r"^( *)static PyGetSetDef (\w+)_getseters\[\] = \{\n(.*?)^\1\};\n", re.M | re.S)
_PAIR = re.compile(r'^ *\{"(\w+)",\n *\(getter\)\w+, \(setter\)(\w+),\n *NULL, NULL\},\n', re.M)
_MEMBERS = re.compile(r"^ *PyMemberDef (\w+)_members\[\] = \{\n", re.M)
_TEMPLATE = re.compile(r"^( *)static PyTypeObject CPyType_(\w+)_template_ = \{\n.*?^\1\};\n", re.M | re.S)
_SIZE = re.compile(r"\.tp_basicsize = sizeof\((\w+)\)(?: \+ 2\*sizeof\(PyObject \*\))?,")
_COLLECTED = re.compile(r"^ *\.tp_(?:traverse|clear|dictoffset|weaklistoffset) = .*\n", re.M)
_DEALLOC = re.compile(
    r"^ *PyObject_GC_UnTrack\(self\);\n *CPy_TRASHCAN_BEGIN\(self, (\w+)_dealloc\)\n"
    r"(.*?)^ *CPy_TRASHCAN_END\(self\)\n *done: ;\n",
    re.M | re.S,
)
_PLACE = re.compile(r'^ *(?:Py_(?:VISIT|CLEAR)\(\*|\{"__(?:dict|weakref)__", T_OBJECT).*\bsizeof\((\w+)\).*\n', re.M)
_DICT = re.compile(r'^ *\{"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict\},\n', re.M)
_TYPE = re.compile(r"^ *\.tp_getset = (\w+)_getseters,\n", re.M)

_COLD = """\
#include <Python.h>
#include <CPy.h>
#ifdef __GNUC__
#define COLD __attribute__((cold)) void
COLD CPy_AddTraceback(const char *, const char *, int, PyObject *);
COLD CPy_TypeErrorTraceback(const char *, const char *, int, PyObject *, const char *, PyObject *);
COLD CPy_AttributeError(const char *, const char *, const char *, const char *, int, PyObject *);
COLD CPy_TypeError(const char *, PyObject *);
#endif
"""
"""What is called where something fails, as mypyc's own header declares it."""


class Extension(Protocol):
    """What is asked of one of setuptools."""

    sources: list[str]
    include_dirs: list[str]
    extra_compile_args: list[str]
    extra_objects: list[str]


def main(group: str, level: str, values: str, modules: list[str]) -> None:
    from mypyc.build import mypycify

    extensions = mypycify(modules, opt_level=level, debug_level="0", group_name=group, multi_file=level == "0")
    for path in Path("build").rglob("*.c"):
        cold = _COLD if path.name.startswith("__native") else ""
        path.write_text(cold + lean(with_members(path.read_text()), Path(values).read_text().split()))
    sources = [(Path(source), extension) for extension in extensions for source in extension.sources]
    sources.sort(key=lambda each: each[0].stat().st_size, reverse=True)  # the longest first, so that none ends alone
    with ThreadPool(os.cpu_count()) as pool:
        objects = pool.starmap(_compiled, sources, chunksize=1)
    for (_, extension), made in zip(sources, objects, strict=True):
        extension.sources = []
        extension.extra_objects += made
    link = ["-q", "build_ext", "--inplace", f"--parallel={os.cpu_count()}"]
    import_module("setuptools").setup(name=group, ext_modules=extensions, script_args=link)


def _compiled(source: Path, extension: Extension) -> list[str]:
    compiler = import_module("distutils.ccompiler").new_compiler()
    import_module("distutils.sysconfig").customize_compiler(compiler)
    compiler.add_include_dir(get_path("include"))
    # What there is to warn of in C that nobody wrote takes the compiler as long as all else.
    ours = ["-fvisibility=hidden", "-Wno-all"] if compiler.compiler_type == "unix" else []
    made: list[str] = compiler.compile(
        [str(source)], include_dirs=extension.include_dirs, extra_postargs=[*extension.extra_compile_args, *ours]
    )
    return made


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


def lean(c: str, values: Iterable[str]) -> str:
    """What mypyc wrote, with the instances of these classes kept by nobody but those who hold them."""
    structs = {f"{value.replace('.', '___')}Object" for value in values}
    kinds = {found[2]: size[1] for found in _TEMPLATE.finditer(c) if (size := _SIZE.search(found[0]))}
    kinds = {kind: struct for kind, struct in kinds.items() if struct in structs}

    def template(found: re.Match[str]) -> str:
        if found[2] not in kinds:
            return found[0]
        text = _COLLECTED.sub("", found[0]).replace(" | Py_TPFLAGS_HAVE_GC", "")
        return _SIZE.sub(r".tp_basicsize = sizeof(\1),", text)

    c = _TEMPLATE.sub(template, c)
    c = _PLACE.sub(lambda found: "" if found[1] in structs else found[0], c)
    c = _DEALLOC.sub(lambda found: found[2] if found[1] in kinds else found[0], c)
    return _PAIRS.sub(lambda found: _DICT.sub("", found[0]) if found[2] in kinds else found[0], c)


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
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
