"""The compiled form of a module, before a C compiler sees it: it means what its source means."""

from __future__ import annotations

import ast
import dataclasses
import pickle
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest

from cerebelum_codegen.compiler.build import generated_modules
from cerebelum_codegen.compiler.form import compiled_form
from cerebelum_codegen.compiler.native import with_members
from cerebelum_codegen.compiler.plain import typed_form
from cerebelum_proto.worker import worker_service_pb
from tests.codegen.generating import PROJECT, run


@pytest.fixture(scope="module")
def formed() -> ModuleType:
    """The contract's messages in their compiled form, run by the interpreter."""
    module = ModuleType("formed")
    sys.modules["formed"] = module
    source = compiled_form(Path(worker_service_pb.__file__).read_text())
    exec(compile(source, "formed.py", "exec"), module.__dict__)
    return module


def test_a_message_has_the_same_bytes_fields_and_words(formed: ModuleType) -> None:
    given = {"task_id": "7", "step_inputs": {"a": [1.5, None, "b"]}, "attempt": 70_000, "lease_ms": -1}
    plain, other = worker_service_pb.Task(**given), formed.Task(**given)
    assert other.to_bytes() == plain.to_bytes()
    assert repr(other) == repr(plain)
    assert formed.Task.from_bytes(plain.to_bytes()) == other
    assert [each.name for each in dataclasses.fields(other)] == [each.name for each in dataclasses.fields(plain)]


def test_it_is_a_dataclass_still(formed: ModuleType) -> None:
    task = formed.Task(task_id="7")
    assert dataclasses.replace(task, task_id="8").task_id == "8"
    assert pickle.loads(pickle.dumps(task)) == task
    assert task != formed.Task()
    assert formed.Task().satisfied_markers is not formed.Task().satisfied_markers
    with pytest.raises(TypeError):
        formed.Task("by position")


def test_no_list_of_parts_is_left_where_a_message_is_written() -> None:
    form = compiled_form(Path(worker_service_pb.__file__).read_text())
    writers = [n for n in ast.walk(ast.parse(form)) if isinstance(n, ast.FunctionDef) and n.name == "__write__"]
    assert writers
    assert not any("list[bytes]" in ast.unparse(each) for each in writers)


_PHASES = """
from __future__ import annotations
import enum
import http
from http import HTTPStatus
from typing import Final

class Light(enum.Enum):
    RED = "red"
    GREEN = "green"

LIMIT: Final = 3

def after(light: Light, status: HTTPStatus) -> tuple[object, ...]:
    match light:
        case Light.RED:
            return Light.GREEN, HTTPStatus.OK, http.HTTPStatus.OK, LIMIT
    return Light.RED, status
"""


def test_members_are_read_once_and_mean_the_same() -> None:
    form = typed_form(_PHASES)
    assert form.count("_member_Light_GREEN") == 2
    assert "case Light.RED:" in form, "a plain name there would match everything"
    namespaces: list[dict[str, object]] = [{"__name__": "lights"}, {"__name__": "lights"}]
    for source, namespace in zip((_PHASES, form), namespaces, strict=True):
        exec(source, namespace)
    plain, formed = ([str(eval("after(Light.RED, None), after(Light.GREEN, 1)", each))] for each in namespaces)
    assert formed == plain


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


def test_only_what_the_plugin_wrote_is_compiled(tmp_path: Path) -> None:
    (tmp_path / "mine_pb.py").write_text("x = 1\n")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "order_pb.py").write_text('"""Generated by protoc-gen-cerebelum from shop/order.proto."""\n')
    assert generated_modules(tmp_path) == [Path("shop/order_pb.py")]


def test_a_folder_without_messages_is_refused_in_a_line(tmp_path: Path) -> None:
    done = run(sys.executable, "-m", "cerebelum_codegen.compiler", str(tmp_path), cwd=PROJECT, check=False)
    assert isinstance(done, subprocess.CompletedProcess)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr
        == f"error: {tmp_path} has no modules that protoc-gen-cerebelum wrote: name the folder of its output\n"
    )
