"""What a change of a declared workflow breaks is told before anybody is broken by it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cerebelum_codegen.plugin.workflows.breaking import changes
from cerebelum_codegen.plugin.workflows.comparing import workflows_in
from cerebelum_codegen.plugin.workflows.declared import DeclaredWorkflow
from tests.codegen.generating import PROJECT, described, run

EXAMPLE = PROJECT / "examples/orders/proto/shop/v1/orders.proto"
Tell = Callable[..., list[str]]


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> list[DeclaredWorkflow]:
    """The workflow of the example."""
    return read(tmp_path_factory.mktemp("before"), EXAMPLE.read_text())


@pytest.fixture
def tell(before: list[DeclaredWorkflow], tmp_path: Path) -> Tell:
    def tell(*edits: tuple[str, str]) -> list[str]:
        """What is told about the example with these edits."""
        text = EXAMPLE.read_text()
        for old, new in edits:
            assert old in text, old
            text = text.replace(old, new)
        return [str(change) for change in changes(before, read(tmp_path, text))]

    return tell


def read(folder: Path, text: str) -> list[DeclaredWorkflow]:
    laid(folder, text)
    return workflows_in(described(folder / "proto", folder / "image.binpb"))


def laid(folder: Path, text: str) -> None:
    shutil.copytree(PROJECT / "proto/cerebelum/options", folder / "proto/cerebelum/options")
    (folder / "proto/shop/v1").mkdir(parents=True)
    (folder / "proto/shop/v1/orders.proto").write_text(text)


PACK = "  rpc Pack(Reservation) returns (Parcel);\n"


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        (
            [("service OrderFulfilment", "service Orders")],
            "workflow shop.v1.OrderFulfilment is gone: executions in flight",
        ),
        ([('tags: "orders"', 'name: "orders"')], "is called orders and not shop.v1.OrderFulfilment any more"),
        (
            [
                ("(Order)", "(Cart)"),
                ('"Order"', '"Cart"'),
                ("  Order inputs", "  Cart inputs"),
                ("message Order {", "message Cart {"),
            ],
            "is started with shop.v1.Cart and not with shop.v1.Order",
        ),
        ([("order/{order_id}", "o/{order_id}")], "the execution id is 'o/{order_id}' and not 'order/{order_id}'"),
        ([(PACK, ""), ("[notify, pack]", "notify"), ("  Parcel pack = 3;\n", "")], "step 'pack' is gone"),
        ([("returns (Backordered)", "returns (Parcel)")], "may end with shop.v1.Parcel, which those who wait"),
        (
            [
                ("rpc Pack(Reservation) returns (Parcel)", "rpc Pack(Reservation) returns (Weight)"),
                ("message Parcel", "message Weight {}\nmessage Parcel"),
                ("  Parcel pack", "  Weight pack"),
            ],
            "step 'pack' gives shop.v1.Weight and not shop.v1.Parcel",
        ),
        ([("rpc Notify(Receipt)", "rpc Notify(Order)")], "step 'notify' takes shop.v1.Order and not shop.v1.Receipt"),
        ([("ConfirmAddress(", "ConfirmStreet(")], "approval 'confirm_address' is gone"),
        ([("returns (AddressAnswer)", "returns (Order)")], "is answered by shop.v1.Order: what asks now was asked as"),
    ],
)
def test_what_breaks_somebody_fails_with_its_effect(tell: Tell, edits: list[tuple[str, str]], said: str) -> None:
    told = tell(*edits)
    assert any(": breaks: " in line and said in line for line in told), told
    assert all(line.startswith("shop/v1/orders.proto") for line in told), told


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        ([("[notify, pack] >> ship", "pack >> notify >> ship")], "its timeline"),
        ([("max_attempts: 5", "max_attempts: 6")], "the policy of 'charge'"),
        ([('start_to_close: "30s"', 'start_to_close: "30s" queue: "bank"')], "the policy of 'charge'"),
        ([('tags: "orders"', 'tags: "orders" queue: "orders"')], "its queue"),
        ([('on: "out_of_stock"', 'on: "none_left"')], "its rules"),
        (
            [
                ("rpc Pack", "rpc Weigh(Parcel) returns (google.protobuf.Empty);\n  rpc Pack"),
                ("pack] >>", "pack] >> weigh >>"),
            ],
            "its timeline, step 'weigh' is new",
        ),
    ],
)
def test_what_only_runs_otherwise_is_told_and_passes(
    tell: Tell, edits: list[tuple[str, str]], said: str | None
) -> None:
    (told,) = tell(*edits)
    assert f"new version: shop.v1.OrderFulfilment runs otherwise ({said})" in told
    assert "executions in flight go on as they began" in told


SIGNAL = """  rpc Paid(Order) returns (google.protobuf.Empty) {
    option (cerebelum.options.v1.signal) = {};
  }
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (SIGNAL, "", "breaks: signal 'paid' is gone: who sends it"),
        (
            SIGNAL,
            SIGNAL.replace("Order", "Receipt"),
            "breaks: signal 'paid' brings shop.v1.Receipt and not shop.v1.Order",
        ),
        ("", SIGNAL, "new version: shop.v1.OrderFulfilment runs otherwise (signal 'paid' is new)"),
    ],
)
def test_what_a_change_of_a_signal_does_is_told(tmp_path: Path, old: str, new: str, said: str) -> None:
    before, after = (
        read(tmp_path / name, EXAMPLE.read_text().replace(PACK, PACK + text)) for name, text in (("a", old), ("b", new))
    )
    (told,) = map(str, changes(before, after))
    assert said in told


def test_what_changes_no_execution_is_not_told(tell: Tell) -> None:
    assert tell(('deadline: "72h"', 'deadline: "96h"'), ("// Takes the money.", "// Takes the money at once.")) == []


def test_it_compares_with_a_git_ref(tmp_path: Path) -> None:
    laid(tmp_path, EXAMPLE.read_text())
    (tmp_path / "buf.yaml").write_text("version: v2\nmodules:\n  - path: proto\n")
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q", "-b", "main"], ["add", "."], [*who, "commit", "-qm", "first"]):
        run("git", *command, cwd=tmp_path)
    same = run("protoc-gen-cerebelum", "breaking", ".git#branch=main", cwd=tmp_path)
    assert (same.stdout, same.stderr) == ("", "")
    changed = EXAMPLE.read_text().replace("order/{order_id}", "o/{order_id}")
    (tmp_path / "proto/shop/v1/orders.proto").write_text(changed)
    done = run("protoc-gen-cerebelum", "breaking", ".git#branch=main", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert not done.stderr
    assert "a start that is repeated across the change begins a second execution" in done.stdout


def test_what_cannot_be_read_is_told_without_a_traceback(tmp_path: Path) -> None:
    laid(tmp_path, EXAMPLE.read_text().replace(">> ship", ">> shipp"))
    done = run("protoc-gen-cerebelum", "breaking", "proto", "proto", cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "'shipp' is no step of OrderFulfilment: did you mean 'ship'?" in done.stderr
    nowhere = run("protoc-gen-cerebelum", "breaking", "nowhere", "proto", cwd=tmp_path, check=False)
    assert nowhere.returncode == 2
    assert "Traceback" not in nowhere.stderr
