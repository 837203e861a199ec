"""A workflow in its two spellings: what is printed is taken as it is, and comes to the very same blueprint."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from shop.v1 import orders_pb, orders_workflows, refunds_workflows

from cerebelum import (
    Context,
    Retry,
    Workflow,
    WorkflowBuilder,
    back_to,
    end,
    fail,
    mapping,
    proceed,
    retry,
    skip_to,
    step,
    workflow,
)
from cerebelum.conditions import TextCondition
from cerebelum.declared.definition import Definition
from cerebelum_cli.converting import contract
from cerebelum_cli.converting.proto import proto_of
from cerebelum_cli.converting.python import python_of
from cerebelum_cli.exits import UsageError
from cerebelum_engine import hash_of
from tests.cli.command_line import cerebelum
from tests.codegen.generating import PROJECT, described, generated, run, write
from tests.sdk.declared.shop import GENERATED, HERE


@step
async def look(inputs: orders_pb.Order) -> orders_pb.ValidOrder:
    """Looks whether "all" of it is there."""
    raise NotImplementedError


@step(retry=Retry(jitter=0, backoff=1.5, non_retryable=("CardDeclined", ValueError)), timeout=timedelta(hours=1.5))
async def pay(look: orders_pb.ValidOrder, context: Context[orders_pb.Order]) -> orders_pb.Receipt:
    raise NotImplementedError


@step(retry=Retry(max_attempts=9, initial_interval=timedelta(minutes=2)), heartbeat_timeout=timedelta(seconds=5))
async def pack(look: orders_pb.ValidOrder) -> orders_pb.Parcel:
    raise NotImplementedError


@step(queue_timeout=timedelta(days=3, milliseconds=7))
async def label(pack: orders_pb.Parcel) -> orders_pb.LabelledParcel:
    raise NotImplementedError


@step
async def tell(look: orders_pb.ValidOrder) -> None:
    raise NotImplementedError


@step(name="step", queue="heavy")
async def weigh(context: Context[orders_pb.Order]) -> orders_pb.Parcel:
    raise NotImplementedError


@step(name="end")
async def stop(inputs: orders_pb.Order, context: Context[orders_pb.Order]) -> orders_pb.Backordered | dict[str, str]:
    raise NotImplementedError


@step(retry=Retry(initial_interval=timedelta(seconds=2), max_interval=timedelta(seconds=8)))
async def review(look: orders_pb.ValidOrder) -> orders_pb.Approval:
    raise NotImplementedError


@step
async def wait(context: Context[orders_pb.Order]) -> None:
    raise NotImplementedError


@step
async def last(*, review: orders_pb.Approval | None = None, look: orders_pb.ValidOrder) -> orders_pb.Shipment:
    raise NotImplementedError


@workflow(name="sample.v1.AllOfIt", max_visits=7, queue="warehouse")
def everything(wf: WorkflowBuilder) -> None:
    wf.timeline([look, weigh], [pay, pack >> label], [tell.named("tell_more"), [tell, wait] >> stop], last)
    big = TextCondition("look", "look.total_cents > 100000 && inputs.kind == 'EXPRESS'")
    wf.signals("paid", "called_off")
    wf.branch(look, {big: review, TextCondition("look", "look.total_cents == 7"): end()}, otherwise=proceed())
    wf.diverge(review, {"no": fail("refused")})
    wf.diverge(look, {"out of stock": stop.named("halt"), "error": fail('not "there"'), "slow": retry()})
    wf.diverge(pay, {"ok": proceed(), "CardDeclined": skip_to(last), mapping(state="open"): end()})
    wf.diverge(
        last, {"again": back_to(pay), "never": review.named("look_again") >> [wait.named("w1"), tell.named("t1")]}
    )


@step
async def odd(inputs: dict[str, int]) -> dict[str, int] | str:
    raise NotImplementedError


@step
async def even(odd: object, inputs: dict[str, int]) -> None:
    raise NotImplementedError


@workflow
def untyped(wf: WorkflowBuilder) -> None:
    wf.timeline(odd >> even)
    wf.branch(odd, condition="odd.kind == 1", when_true=end())


@step
async def hurry(wait: object = None) -> None:
    raise NotImplementedError


@workflow(name="tidying up")
def unspeakable(wf: WorkflowBuilder) -> None:
    wf.timeline(odd.named("oddOne") >> hurry >> wait)
    wf.signals("payedFor")
    wf.branch(odd.named("oddOne"), condition=lambda value: value == 7, when_true=fail('it\'s "bad"'))


@dataclass
class Project:
    """A project of buf, with the shop's contract and what is converted."""

    folder: Path

    def definition(self, proto: str, module: str, name: str) -> Definition:
        """What the plugin makes of a contract that was printed, once buf has linted it."""
        path = f"{module.replace('.', '/')}.proto"
        write({path: proto}, self.folder / "proto")
        run("buf", "lint", "proto", "--path", f"proto/{path}", cwd=self.folder)
        made = generated(described(self.folder / "proto", self.folder / "image.binpb"))
        write({name: text for name, text in made.items() if name.startswith(path[:-6])}, self.folder / "generated")
        importlib.invalidate_caches()
        definition = getattr(importlib.import_module(f"{module}_workflows"), name)
        assert isinstance(definition, Definition)
        return definition

    def workflow(self, python: str, module: str) -> Workflow:
        """What a module that was printed comes to when it is imported."""
        write({f"{module}.py": python}, self.folder / "generated")
        importlib.invalidate_caches()
        return next(each for each in vars(importlib.import_module(module)).values() if isinstance(each, Workflow))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("converting")
    shutil.copytree(HERE / "protos", folder / "proto")
    shutil.copytree(PROJECT / "proto/cerebelum/options", folder / "proto/cerebelum/options")
    lint = (PROJECT / "examples/orders/buf.yaml").read_text()
    (folder / "proto/buf.yaml").write_text("version: v2\n" + lint[lint.index("lint:\n  use:\n    - STANDARD") :])
    (folder / "generated").mkdir()
    sys.path.insert(0, str(folder / "generated"))
    yield Project(folder)
    sys.path.remove(str(folder / "generated"))


def test_a_decorated_workflow_and_its_contract_have_the_very_same_blueprint(project: Project) -> None:
    declared = project.definition(proto_of(everything), "sample.v1.all_of_it", "ALL_OF_IT")
    assert declared.blueprint.definition == everything.blueprint.definition
    assert hash_of(declared.blueprint) == everything.hash
    again = project.workflow(python_of(declared), "all_of_it_again")
    assert again.blueprint.definition == everything.blueprint.definition
    assert again.hash == everything.hash


@pytest.mark.parametrize(
    "definition",
    [orders_workflows.ORDER_FULFILMENT, refunds_workflows.REFUND, refunds_workflows.TIDY],
    ids=lambda each: each.name.rpartition(".")[2].lower(),
)
def test_a_declared_workflow_and_its_decorated_steps_have_the_very_same_blueprint(
    project: Project, definition: Definition
) -> None:
    name = definition.name.rpartition(".")[2].lower()
    decorated = project.workflow(python_of(definition), f"decorated_{name}")
    assert decorated.hash == hash_of(definition.blueprint)
    package = f"back{name}.v1"
    constant = {"orderfulfilment": "ORDER_FULFILMENT"}.get(name, name.upper())
    back = project.definition(proto_of(decorated, package), f"{package}.{constant.lower()}", constant)
    assert (hash_of(back.blueprint), back.inputs) == (decorated.hash, definition.inputs)
    assert [each.response for each in back.steps] == [each.response for each in definition.steps]


@pytest.mark.xdist_group("mypy")  # all of them share its cache, in which there is one module of a name
def test_what_is_printed_as_python_passes_the_strict_checker(project: Project) -> None:
    shape = project.definition(proto_of(everything), "sample.v1.all_of_it", "ALL_OF_IT")
    texts = {"checked_all": python_of(shape), "checked_orders": python_of(orders_workflows.ORDER_FULFILMENT)}
    write({f"{name}.py": text for name, text in texts.items()}, project.folder)
    roots = (PROJECT, PROJECT / "codegen", PROJECT / "generated", GENERATED, project.folder / "generated")
    options = f"[mypy]\nstrict = True\nmypy_path = {':'.join(map(str, roots))}\nexplicit_package_bases = True\n"
    (project.folder / "mypy.ini").write_text(options + "namespace_packages = True\n")
    files = [str(project.folder / f"{name}.py") for name in texts]
    run("mypy", "--config-file", str(project.folder / "mypy.ini"), *files, cwd=PROJECT)


def test_what_is_no_message_becomes_a_stub_that_says_what_to_write(project: Project) -> None:
    text = proto_of(untyped)
    assert "// What `odd` gives: write its fields. Python says dict[str, int] | str.\nmessage OddAnswer {}" in text
    assert "message UntypedInputs {}" in text
    assert "// In Python the Core asks this" in text
    with pytest.raises(AssertionError, match="OddAnswer has no field 'kind'"):
        project.definition(text, "untyped.v1.untyped", "UNTYPED")
    sound = text.replace("message OddAnswer {}", "message OddAnswer { int32 kind = 1; }")
    sound = sound.replace('name: "untyped"', 'name: "untyped" max_visits: 1000')
    shape = project.definition(sound, "untyped.v1.untyped", "UNTYPED").blueprint
    assert shape.workflow_module == "untyped"
    assert shape.definition is not None
    assert shape.definition.max_visits == 0, "what is said of itself anyway is no other version"


def test_what_proto_cannot_say_is_told_at_once_with_its_mend() -> None:
    with pytest.raises(UsageError) as told:
        proto_of(unspeakable)
    assert "step 'oddOne' is no rpc: call it 'odd_one'" in str(told.value)
    assert "the predicate unspeakable.<locals>.<lambda> of 'oddOne' is Python: write it as CEL" in str(told.value)
    assert "has both quotes" in str(told.value)
    assert "'hurry' depends on 'wait', which never has a result by then: let 'wait' run before it" in str(told.value)
    assert "signal 'payedFor' is no rpc: call it 'payed_for', as in wf.signals(...)" in str(told.value)


def test_the_command_takes_either_spelling(tmp_path: Path) -> None:
    paths = ":".join(map(str, (GENERATED, PROJECT)))
    printed = cerebelum("convert", "shop.v1.orders_workflows", folder=tmp_path, PYTHONPATH=paths)
    (tmp_path / "copied.py").write_text(printed.out)
    back = cerebelum("convert", "copied:order_fulfilment", "--package", "a.v1", folder=tmp_path, PYTHONPATH=paths)
    assert (printed.code, back.code) == (0, 0), printed.err + back.err
    assert "service OrderFulfilment {" in back.out
    lost = cerebelum("convert", "copied:nobody", folder=tmp_path, PYTHONPATH=paths)
    assert lost.code == 2
    assert "has no workflow 'nobody': it has order_fulfilment" in lost.err
    unclear = cerebelum("convert", "shop.v1.refunds_workflows", folder=tmp_path, PYTHONPATH=paths)
    assert "has several workflows: name one of REFUND, TIDY behind a colon" in unclear.err


@pytest.mark.parametrize("package", ["3x", "a b", "shop.", ""])
def test_a_package_that_proto_cannot_write_is_refused(tmp_path: Path, package: str) -> None:
    ran = cerebelum("convert", "tests.e2e.flows:signer", "--package", package, folder=tmp_path, PYTHONPATH=str(PROJECT))
    assert (ran.code, ran.out) == (2, "")
    assert f"'{package}' is no package: write names with dots between them" in ran.err


RAW = HERE / "protos/shop/v1/refunds.proto"


def test_a_proto_file_is_converted_as_the_module_that_is_made_of_it(tmp_path: Path) -> None:
    raw = cerebelum("convert", f"{RAW}:REFUND", folder=tmp_path)
    assert (raw.code, raw.out) == (0, python_of(refunds_workflows.REFUND)), raw.err
    assert "has several workflows: name one of REFUND, TIDY" in cerebelum("convert", str(RAW), folder=tmp_path).err


def test_what_is_wrong_with_a_proto_file_is_told_as_its_compiler_says_it(tmp_path: Path) -> None:
    broken = tmp_path / "shop/v1/broken.proto"
    broken.parent.mkdir(parents=True)
    told = {
        "": "there is no file 'shop/v1/broken.proto' here",
        'syntax = "proto3"; package shop.v1; message A {}': "declares no workflow: give a service the option",
        RAW.read_text().replace("look >>", "lok >>"): "shop/v1/broken.proto:14: 'lok' is no step of Refund",
    }
    for text, error in told.items():
        if text:
            broken.write_text(text)
        ran = cerebelum("convert", "shop/v1/broken.proto", folder=tmp_path)
        assert ran.code == 2
        assert error in ran.err


STAND_IN = """\
#!{python}
import json, pathlib, subprocess, sys
told = dict(each.split("=", 1) for each in sys.argv if "=" in each)
assert sys.argv[1:5] == ["-I", "proto", "-I", "include"] and sys.argv[-1] == "shop/v1/refunds.proto", sys.argv
plugin = {{"local": told["--plugin"].split("=", 1)[1], "out": told["--cerebelum_out"], "strategy": "all"}}
pathlib.Path("buf.yaml").write_text("version: v2\\nmodules:\\n  - path: proto\\n  - path: include\\n")
template = json.dumps({{"version": "v2", "plugins": [plugin]}})
sys.exit(subprocess.run([{buf!r}, "generate", "--template", template]).returncode)
"""


def test_without_buf_protoc_is_asked_and_without_either_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protoc, there = tmp_path / "protoc", contract._found
    protoc.write_text(STAND_IN.format(python=sys.executable, buf=there("buf")))
    protoc.chmod(0o755)
    monkeypatch.setattr(contract, "_found", lambda tool: str(protoc) if tool == "protoc" else _but(tool, "buf"))
    monkeypatch.setattr(sys, "modules", {**sys.modules})
    assert sorted(contract.definitions_in(RAW)) == ["REFUND", "TIDY"]
    monkeypatch.setattr(contract, "_found", lambda tool: _but(tool, "buf", "protoc"))
    with pytest.raises(UsageError, match="is read by buf or protoc, and neither is found: install one of them"):
        contract.definitions_in(RAW)
    monkeypatch.setattr(contract, "_found", _but_nothing)
    with pytest.raises(UsageError, match="needs protoc-gen-cerebelum: pip install"):
        contract.definitions_in(RAW)


def _but_nothing(_: str) -> None:
    """Nothing is installed."""


def _but(tool: str, *missing: str) -> str | None:
    return None if tool in missing else shutil.which(tool) or str(Path(sys.executable).parent / tool)
