"""What a C compiler sees of plain values: no dictionary, and attributes that are members."""

from __future__ import annotations

import re
import textwrap

from cerebelum_codegen.compiler.native import lean, with_members
from cerebelum_codegen.compiler.values import plain_values

_PARTS = """
from dataclasses import dataclass

@dataclass
class Leaf(Message):
    name: str

@dataclass
class Branch(Message):
    leaves: list[m.Leaf]
    wood: "Wood | None"

@dataclass
class Wood:
    rings: int

@dataclass
class Tree(Message):
    crown: dict[str, Crown]

@dataclass
class Crown(Message):
    trees: list[Tree]

@dataclass
class Forest(Message):
    trees: list[Tree]

Nut: TypeAlias = "Shell | Kernel"

@dataclass
class Shell(Message):
    inside: Nut | None

@dataclass
class Kernel(Message):
    weight: int

@dataclass
class Special(Leaf):
    pass

class Other:
    name: str
"""


def test_a_plain_value_holds_nothing_that_could_hold_it() -> None:
    assert plain_values([("a.b", _PARTS)]) == ["a.b.Leaf", "a.b.Branch", "a.b.Wood", "a.b.Forest", "a.b.Kernel"]
    assert plain_values([("a", _PARTS), ("b", "@dataclass\nclass Leaf:\n    of: Branch\n")]) == [
        "a.Wood",
        "a.Forest",
        "a.Kernel",
    ]


_TYPE = """
PyMemberDef Leaf_members[] = {
    {"__dict__", T_OBJECT_EX, sizeof(m___LeafObject), 0, NULL},
    {"__weakref__", T_OBJECT_EX, sizeof(m___LeafObject) + sizeof(PyObject *), 0, NULL},
    {0}
};
static int
Leaf_traverse(m___LeafObject *self, visitproc visit, void *arg)
{
    Py_VISIT(self->_name);
    Py_VISIT(*((PyObject **)((char *)self + sizeof(m___LeafObject))));
    Py_VISIT(*((PyObject **)((char *)self + sizeof(PyObject *) + sizeof(m___LeafObject))));
    return 0;
}
static void
Leaf_dealloc(m___LeafObject *self)
{
    PyObject_GC_UnTrack(self);
    CPy_TRASHCAN_BEGIN(self, Leaf_dealloc)
    CPyDef_Leaf_clear((PyObject *)self);
    Py_TYPE(self)->tp_free((PyObject *)self);
    CPy_TRASHCAN_END(self)
    done: ;
}
static PyGetSetDef Leaf_getseters[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict},
    {NULL}  /* Sentinel */
};
static PyTypeObject CPyType_Leaf_template_ = {
    .tp_name = "Leaf",
    .tp_traverse = (traverseproc)Leaf_traverse,
    .tp_clear = (inquiry)CPyDef_Leaf_clear,
    .tp_members = Leaf_members,
    .tp_basicsize = sizeof(m___LeafObject) + 2*sizeof(PyObject *),
    .tp_dictoffset = sizeof(m___LeafObject),
    .tp_weaklistoffset = sizeof(m___LeafObject) + sizeof(PyObject *),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HEAPTYPE | Py_TPFLAGS_HAVE_GC,
};
"""
_LEAN_TYPE = """
PyMemberDef Leaf_members[] = {
    {0}
};
static int
Leaf_traverse(m___LeafObject *self, visitproc visit, void *arg)
{
    Py_VISIT(self->_name);
    return 0;
}
static void
Leaf_dealloc(m___LeafObject *self)
{
    CPyDef_Leaf_clear((PyObject *)self);
    Py_TYPE(self)->tp_free((PyObject *)self);
}
static PyGetSetDef Leaf_getseters[] = {
    {NULL}  /* Sentinel */
};
static PyTypeObject CPyType_Leaf_template_ = {
    .tp_name = "Leaf",
    .tp_members = Leaf_members,
    .tp_basicsize = sizeof(m___LeafObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HEAPTYPE,
};
"""


def test_a_plain_value_has_no_dictionary_and_is_none_of_the_collectors() -> None:
    other = _TYPE.replace("Leaf", "Tree")
    assert lean(_TYPE + other, ["m.Leaf"]) == _LEAN_TYPE + other
    assert lean(textwrap.indent(_TYPE, " " * 8), ["m.Leaf"]) == textwrap.indent(_LEAN_TYPE, " " * 8)


_SETTERS = """
static int
Leaf_set_name(m___LeafObject *self, PyObject *value, void *closure)
{
    if (value != NULL) {
        PyObject *tmp = value;
        self->_name = tmp;
    } else {
        self->_name = NULL;
    }
    return 0;
}
static int
Leaf_set_size(m___LeafObject *self, PyObject *value, void *closure)
{
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "'Leaf' object attribute 'size' cannot be deleted");
        return -1;
    }
    PyObject *tmp = value;
    self->_size = tmp;
    return 0;
}
static PyGetSetDef Leaf_getseters[] = {
    {"name",
     (getter)Leaf_get_name, (setter)Leaf_set_name,
     NULL, NULL},
    {"size",
     (getter)Leaf_get_size, (setter)Leaf_set_size,
     NULL, NULL},
    {NULL}  /* Sentinel */
};
static PyTypeObject CPyType_Leaf_template_ = {
    .tp_getset = Leaf_getseters,
};
"""
_NAME = '    {"name", T_OBJECT_EX, offsetof(m___LeafObject, _name), 0, NULL},\n'


def test_an_attribute_that_may_hold_anything_or_nothing_becomes_a_member() -> None:
    c = with_members(_SETTERS)
    assert f"static PyMemberDef Leaf_members[] = {{\n{_NAME}    {{0}}\n}};" in c
    assert "    .tp_getset = Leaf_getseters,\n    .tp_members = Leaf_members,\n" in c


def test_so_it_does_where_several_modules_are_compiled_together() -> None:
    together, alone = (with_members(textwrap.indent(_SETTERS, margin)) for margin in (" " * 8, ""))
    assert re.sub("^ +", "", together, flags=re.M) == re.sub("^ +", "", alone, flags=re.M)


def test_members_join_those_that_are_there() -> None:
    there = 'PyMemberDef Leaf_members[] = {\n    {"__dict__", T_OBJECT_EX, 16, 0, NULL},\n    {0}\n};\n'
    assert with_members(there + _SETTERS) == there.replace("= {\n", f"= {{\n{_NAME}") + _SETTERS


def test_what_mypyc_writes_in_another_way_stays_as_it_is() -> None:
    other = _SETTERS.replace("PyObject *tmp = value;", "PyObject *taken = CPyStr_Check(value);")
    assert with_members(other) == other
