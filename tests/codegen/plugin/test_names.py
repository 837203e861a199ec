"""No name in a proto file, and no comment, breaks what is generated from it."""

from __future__ import annotations

import ast
import builtins
import keyword
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cerebelum_codegen.plugin import names
from tests.codegen.generating import described, generated, run, write
from tests.codegen.oracle import Oracle, Ours, canonical
from tests.codegen.plugin.nasty import NASTY

MODULES = (
    "bare_pb",
    "bare_grpc",
    "acme.names_pb",
    "acme.legacy_pb",
    "acme.import_.names_pb",
    "acme.import_.names_grpc",
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> FileDescriptorSet:
    folder = tmp_path_factory.mktemp("nasty")
    write(NASTY, folder / "proto")
    return described(folder / "proto", folder / "image.binpb")


@pytest.fixture(scope="module")
def folder(files: FileDescriptorSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("generated")
    write(generated(files), root)
    return root


@pytest.fixture(scope="module")
def modules(folder: Path) -> dict[str, ModuleType]:
    sys.path.insert(0, str(folder))
    try:
        return {name: import_module(name) for name in (*MODULES, "acme.types._2nd_part_more_pb")}
    finally:
        sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def google(files: FileDescriptorSet) -> Oracle:
    return Oracle(files)


@pytest.fixture(scope="module")
def ours(modules: dict[str, ModuleType]) -> Ours:
    return Ours(modules.values())


def test_every_module_is_clean_under_the_strictest_mypy(folder: Path) -> None:
    strictest = ("--strict", "--warn-unreachable", "--enable-error-code=ignore-without-code")
    cache = f"--cache-dir={folder.parent / 'cache'}"
    done = run(
        sys.executable, "-m", "mypy", *strictest, "--config-file=", cache, "--explicit-package-bases", ".", cwd=folder
    )
    assert done.stdout == "Success: no issues found in 12 source files\n"


def test_every_module_compiles_without_a_warning(folder: Path) -> None:
    for path in folder.rglob("*.py"):
        compile(path.read_text(), str(path), "exec")  # a bad escape is a SyntaxWarning, and warnings are errors here


@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_message_of_every_name_carries_what_google_s_carries(
    google: Oracle, ours: Ours, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(name for name in ours.classes if not name.startswith("google."))))
    message = data.draw(google.messages(name, depth=1))
    read = ours.classes[name].from_bytes(message.SerializeToString())
    assert not read._unknown
    assert canonical(type(message).FromString(read.to_bytes())) == canonical(message)


def test_messages_that_would_share_a_name_are_told_apart(modules: dict[str, ModuleType]) -> None:
    module = modules["acme.names_pb"]
    named = {"Outer.Kind": "Outer_Kind", "Outer_Text": "Outer_Text", "Outer.Text": "Outer_Text_"}
    for full_name, name in named.items():
        kind = getattr(module, name)
        assert getattr(kind, "FULL_NAME", "acme.Outer.Kind") == f"acme.{full_name}"
    wrapped = module.Outer(kind=module.Outer_Text__("a"))
    assert module.Outer.from_bytes(wrapped.to_bytes()) == wrapped
    plain = module.Outer(kind=module.Outer_Text_(text="a"))
    assert module.Outer.from_bytes(plain.to_bytes()) == plain


def test_a_namesake_in_another_package_is_the_other_one(modules: dict[str, ModuleType]) -> None:
    near, far = modules["acme.import_.names_pb"], modules["acme.names_pb"]
    leaf = near.Leaf(leaf=far.Leaf(name="a"), color=far.Color.value_)
    assert near.Leaf.from_bytes(leaf.to_bytes()) == leaf
    assert type(near.Leaf.from_bytes(leaf.to_bytes()).leaf) is far.Leaf
    for kind in (far.Leaf(), near.Leaf(), near.Choice_FarToo(far.Leaf())):
        assert near.Choice.from_bytes(near.Choice(kind=kind).to_bytes()).kind == kind


def test_stubs_have_a_method_for_each_rpc_however_they_are_spelled(modules: dict[str, ModuleType]) -> None:
    stub = modules["acme.import_.names_grpc"].StubStub
    for name in ("dict", "str", "float_", "list", "class_", "get_url", "get_url_", "names_pb_", "self"):
        assert callable(getattr(stub, name))
    assert stub._unary_unary.__module__ == "cerebelum_codegen.runtime.rpc.client"


def test_comments_come_back_as_they_were_written(modules: dict[str, ModuleType]) -> None:
    module = modules["acme.names_pb"]
    assert module.Fields.__doc__ == '"quoted"'
    assert module.Enum_.__doc__ is not None
    assert module.Enum_.__doc__.split() == ["a", '"block"', "of", "'''", "lines", "\\"]


def test_what_is_deprecated_says_so(folder: Path) -> None:
    text = (folder / "acme/names_pb.py").read_text()
    assert '    type: str = ""\n    """Deprecated."""\n' in text
    assert '    lambda_ = 11\n    """Deprecated."""\n' in text


def test_no_name_hides_a_builtin_that_generated_code_uses(folder: Path, trial_files: FileDescriptorSet) -> None:
    texts = [path.read_text() for path in folder.rglob("*.py")] + list(generated(trial_files).values())
    used = set[str]()
    for text in texts:
        nodes = list(ast.walk(ast.parse(text)))
        own = {node.name for node in nodes if isinstance(node, ast.ClassDef)}
        used |= {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)} - own
    used &= set(dir(builtins))
    assert {"bytes", "len", "Exception", "type"} <= used
    assert [name for name in used if names.class_name((name,)) == name] == []


@pytest.mark.parametrize("name", [*keyword.kwlist, "_", "__init__", "_x", "self", "int", "name", "to_bytes"])
@pytest.mark.parametrize("spell", [names.class_name, names.field_name, names.member_name, names.method_name])
def test_whatever_a_name_becomes_it_is_a_public_identifier(name: str, spell: Callable[..., str]) -> None:
    becomes = spell((name,) if spell is names.class_name else name)
    assert becomes.isidentifier()
    assert not keyword.iskeyword(becomes)
    assert not becomes.startswith("_")


def test_of_two_names_that_become_one_the_plain_one_is_kept() -> None:
    assert names.distinct(["class", "class_", "GetURL"], names.field_name) == {
        "class_": "class_",
        "GetURL": "GetURL",
        "class": "class__",
    }
    assert names.distinct(["GetURL", "GetUrl"], names.method_name) == {"GetURL": "get_url", "GetUrl": "get_url_"}


@pytest.mark.parametrize(
    ("rpc", "method"),
    [("PollForTask", "poll_for_task"), ("GetURL", "get_url"), ("HTTPGet", "http_get"), ("V2List", "v2_list")],
)
def test_an_rpc_is_a_method_in_snake_case(rpc: str, method: str) -> None:
    assert names.method_name(rpc) == method
