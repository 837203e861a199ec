"""The compiled form of a module, before a C compiler sees it: it means what its source means."""

from __future__ import annotations

import ast
import dataclasses
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cerebelum_codegen.compiler.build import generated_modules
from cerebelum_codegen.compiler.form import compiled_form
from cerebelum_codegen.compiler.plain import typed_form
from cerebelum_codegen.runtime import descriptor
from cerebelum_proto.events.v1 import events_pb
from cerebelum_proto.stream.v1 import stream_pb
from cerebelum_proto.worker import worker_service_pb
from tests.codegen.generating import PROJECT, run


@pytest.fixture(scope="module")
def formed() -> Iterator[ModuleType]:
    """The contract's messages in their compiled form, run by the interpreter."""
    module = ModuleType("formed")
    source = compiled_form(Path(worker_service_pb.__file__).read_text())
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "formed", module)
        patch.setattr(descriptor, "_classes", descriptor._classes.copy())  # they are of the same names
        exec(compile(source, "formed.py", "exec"), module.__dict__)
        yield module


def test_a_message_has_the_same_bytes_fields_and_words(formed: ModuleType) -> None:
    given: dict[str, Any] = {"task_id": "7", "step_inputs": {"a": [1.5, None, "b"]}, "attempt": 70_000, "lease_ms": -1}
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


def test_which_member_of_a_oneof_there_is_mypyc_asks_without_the_interpreter() -> None:
    form = compiled_form(Path(events_pb.__file__).read_text())
    assert "isinstance(self.fact, StepCompleted)" in form
    assert not [each for each in ast.walk(ast.parse(form)) if isinstance(each, ast.Match)]


def test_numbers_in_a_row_are_written_into_one_buffer_and_nothing_empty_is_gone_through() -> None:
    form = compiled_form(Path(stream_pb.__file__).read_text())
    assert "join([" not in form
    assert "_write_int64(packed_recorded_item, recorded_item)" in form
    loops = [n for n in ast.walk(ast.parse(form)) if isinstance(n, ast.For) and ast.unparse(n.iter).startswith("self.")]
    guards = [n for n in ast.walk(ast.parse(form)) if isinstance(n, ast.If) and ast.unparse(n.test).startswith("not (")]
    assert [ast.unparse(each.iter) for each in loops if "packed" not in ast.unparse(each)] == [
        ast.unparse(each.body[0].iter) for each in guards if isinstance(each.body[0], ast.For)
    ]
    assert len(guards) > 5


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
    match light, status:
        case Light.RED, _:
            return Light.GREEN, HTTPStatus.OK, http.HTTPStatus.OK, LIMIT
    return Light.RED, status
"""


def test_members_are_read_once_and_mean_the_same() -> None:
    form = typed_form(_PHASES)
    assert form.count("_member_Light_GREEN") == 2
    assert "case [Light.RED, _]:" in form, "a plain name there would match everything"
    namespaces: list[dict[str, object]] = [{"__name__": "lights"}, {"__name__": "lights"}]
    for source, namespace in zip((_PHASES, form), namespaces, strict=True):
        exec(source, namespace)
    plain, formed = ([str(eval("after(Light.RED, None), after(Light.GREEN, 1)", each))] for each in namespaces)
    assert formed == plain


_ANIMALS = """
from __future__ import annotations
import enum
from dataclasses import dataclass
from typing import TypeAlias

class Mood(enum.Enum):
    GLAD = 1
    SAD = 2

@dataclass
class Cat:
    name: str
    mood: Mood = Mood.GLAD

@dataclass
class Dog:
    name: str
    age: int = 3

@dataclass
class Fish:
    pass

Furry: TypeAlias = Cat | Dog
_PETS = (Furry, Fish)

def about(animal: object, word: str) -> object:
    match animal:
        case Cat(name=name) if word == "name":
            return name
        case Cat(mood=mood) as cat:
            match mood:
                case Mood.GLAD:
                    return cat
                case _:
                    return mood
        case Fish() | None:
            return "cold"
        case Dog(name=name, age=age):
            return name, age
    return isinstance(animal, Furry | Fish), isinstance(animal, _PETS), isinstance(animal, int)

def inner(animal: object) -> object:
    match animal:
        case Cat(name=animal, mood=mood):
            return animal, mood
    match animal:
        case Dog() | _:
            return "any"

def said(word: str) -> object:
    match word:
        case "a" | "b":
            return 1
        case [first, *_]:
            return first
        case _ if word > "m":
            return 2
    return 3
"""


def test_patterns_become_questions_and_mean_the_same() -> None:
    form = typed_form(_ANIMALS)
    assert form.count("match ") == 3, "left: a sequence, a value that is overwritten, and what may be anything"
    assert "isinstance(animal, (Cat, Dog, Fish)), isinstance(animal, (Cat, Dog, Fish))" in form
    asked = (
        "[about(animal, word) for animal in (Cat('x'), Cat('y', Mood.SAD), Dog('z'), Fish(), None, 7, Dog)"
        " for word in ('name', '')] + [said(word) for word in ('a', 'b', 'c', 'n')]"
        " + [inner(Cat('x')), inner(Dog('y')), inner(3)]"
    )
    namespaces: list[dict[str, object]] = [{"__name__": __name__}, {"__name__": __name__}]
    for source, namespace in zip((_ANIMALS, form), namespaces, strict=True):
        exec(source, namespace)
    plain, formed = (str(eval(asked, each)) for each in namespaces)
    assert formed == plain


def test_a_constant_is_declared_as_one() -> None:
    form = typed_form("from __future__ import annotations\nfrom x import T\n_MOST = 3\nOf = T\n_T = T\n")
    assert "_MOST: _Constant = 3" in form
    assert "Of = T\n_T = T" in form


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
