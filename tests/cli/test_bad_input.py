"""Whatever is wrong, a person reads what it is and what to do, and a script gets an exit code."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import click
import pytest

from cerebelum_cli.entry import run_commands
from cerebelum_cli.exits import Exit
from tests.cli.command_line import cerebelum
from tests.codegen.generating import PROJECT

NOBODY = "127.0.0.1:1"
ONE = """
from cerebelum import step, workflow

@step
async def only(inputs: int) -> int:
    return inputs + 1

@workflow
def mine(wf):
    wf.timeline(only)
"""


def module(folder: Path, source: str, name: str = "mine") -> None:
    (folder / f"{name}.py").write_text(source)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "use sqlite:///FILE"),
        ("mysql://x/y", "use sqlite:///FILE"),
        ("sqlite:///", "use sqlite:///FILE"),
        ("sqlite:///no/such/folder/core.db", "no/such/folder"),
    ],
)
def test_a_bad_store_url_says_which_ones_there_are(tmp_path: Path, url: str, words: str) -> None:
    ran = cerebelum("core", "--listen", "127.0.0.1:0", "--store", url, folder=tmp_path)
    assert ran.code == Exit.UNUSABLE
    assert words in ran.err


def test_a_store_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "core.db").write_text("my diary, not a database at all, but long enough to look like one" * 20)
    before = (tmp_path / "core.db").read_bytes()
    ran = cerebelum("core", "--listen", "127.0.0.1:0", "--store", "sqlite:///core.db", folder=tmp_path)
    assert ran.code == Exit.UNUSABLE
    assert "core.db" in ran.err
    assert (tmp_path / "core.db").read_bytes() == before


def test_a_store_in_a_folder_that_is_a_file_names_it(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    ran = cerebelum("core", "--listen", "127.0.0.1:0", "--store", "sqlite:///plain/core.db", folder=tmp_path)
    assert ran.code == Exit.UNUSABLE
    assert "plain" in ran.err


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that refuses files even from root")
def test_a_store_without_permission_names_the_file(tmp_path: Path) -> None:
    ran = cerebelum("core", "--listen", "127.0.0.1:0", "--store", "sqlite:////proc/core.db", folder=tmp_path)
    assert ran.code == Exit.UNUSABLE
    assert "/proc/core.db" in ran.err


def test_a_port_that_is_taken_names_it_and_says_how_to_choose_another(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ran = cerebelum("core", "--listen", address, "--store", "memory://", folder=tmp_path)
    assert ran.code == Exit.UNUSABLE
    assert ran.err.startswith(f"error: cannot listen on {address}: Address already in use")
    assert "--listen" in ran.err


@pytest.mark.parametrize("address", ["here", "1.2.3.4", "host:port", "host:70000", "[::1", "host:1:2/x"])
def test_an_address_that_is_none_is_said_to_be_none(tmp_path: Path, address: str) -> None:
    for command in (["core", "--listen"], ["list", "--core"]):
        ran = cerebelum(*command, address, folder=tmp_path)
        assert ran.code == Exit.USAGE
        assert f"'{address}' is no address: write HOST:PORT" in ran.err


@pytest.mark.parametrize(
    "command",
    [["list"], ["status", "x"], ["history", "x"], ["approve", "x"], ["reject", "x"], ["cancel", "x"], ["run", "x"]],
)
def test_no_core_at_the_address_is_said_with_the_address(tmp_path: Path, command: list[str]) -> None:
    ran = cerebelum(*command, "--core", NOBODY, "--retry", "0", folder=tmp_path)
    assert ran.code == Exit.UNREACHABLE
    assert f"the Core at {NOBODY} does not answer" in ran.err


@pytest.mark.parametrize("text", ["{a}", "{'id': 7}", "", "[1,", "nul"])
def test_invalid_json_shows_the_place_and_an_example(tmp_path: Path, text: str) -> None:
    ran = cerebelum("run", "x", "--input", text, folder=tmp_path)
    assert ran.code == Exit.USAGE
    assert "is no JSON" in ran.err
    assert """'{"id": 7}'""" in ran.err


@pytest.mark.parametrize("text", ["NaN", "[-Infinity]", '{"a": Infinity}', "-1e999", "9" * 5000])
@pytest.mark.parametrize("command", [["run", "x", "--input"], ["approve", "x", "--response"]])
def test_numbers_that_json_does_not_have_or_python_does_not_read_are_refused(
    tmp_path: Path, command: list[str], text: str
) -> None:
    ran = cerebelum(*command, text, folder=tmp_path)
    assert ran.code == Exit.USAGE
    assert f"Invalid value for '{command[-1]}': " in ran.err
    assert "string" in ran.err


def test_a_json_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    ran = cerebelum("run", "x", "--input", "@order.json", folder=tmp_path)
    assert ran.code == Exit.USAGE
    assert "cannot read 'order.json'" in ran.err


def test_json_that_nests_for_ever_is_refused(tmp_path: Path) -> None:
    ran = cerebelum("run", "x", "--input", "@-", stdin="[" * 100_000, folder=tmp_path)
    assert ran.code == Exit.USAGE


def test_a_module_that_is_not_there_is_named_with_the_folder(tmp_path: Path) -> None:
    ran = cerebelum("worker", "no_such_module", folder=tmp_path)
    assert ran.code == Exit.USAGE
    assert "there is no module 'no_such_module' here" in ran.err
    assert str(tmp_path) in ran.err


def test_a_file_name_in_place_of_a_module_is_corrected(tmp_path: Path) -> None:
    ran = cerebelum("worker", "shop/orders.py", folder=tmp_path)
    assert ran.code == Exit.USAGE
    assert "for example shop.orders" in ran.err
    assert "name it as Python does, for example orders" in cerebelum("worker", ".orders", folder=tmp_path).err


def test_a_module_without_a_workflow_says_how_to_make_one(tmp_path: Path) -> None:
    module(tmp_path, "x = 1")
    ran = cerebelum("worker", "mine", folder=tmp_path)
    assert ran.code == Exit.USAGE
    assert "has no workflow: decorate one with @workflow" in ran.err


def test_a_module_that_fails_on_import_shows_its_error_and_line(tmp_path: Path) -> None:
    module(tmp_path, "\n\n1 / 0\n")
    ran = cerebelum("worker", "mine", folder=tmp_path)
    assert ran.code == Exit.USAGE
    assert "ZeroDivisionError: division by zero" in ran.err
    assert "mine.py, line 3" in ran.err


def test_a_module_that_fails_within_a_library_shows_its_own_line(tmp_path: Path) -> None:
    module(tmp_path, "import json\n\njson.loads('{')\n")
    ran = cerebelum("worker", "mine", folder=tmp_path)
    assert ran.code == Exit.USAGE
    assert "mine.py, line 3" in ran.err


@pytest.mark.parametrize("source", ["import sys\nsys.exit(3)", "from argparse import *\nArgumentParser().error('no')"])
def test_a_module_that_ends_the_program_is_wrong_usage(tmp_path: Path, source: str) -> None:
    module(tmp_path, source)
    ran = cerebelum("run", "mine:x", folder=tmp_path)
    assert ran.code == Exit.USAGE
    assert "error: module 'mine' ends the program when it is imported" in ran.err
    assert "mine.py, line 2" in ran.err


def test_a_module_that_runs_its_workflow_at_its_foot_is_imported_all_the_same(tmp_path: Path) -> None:
    module(tmp_path, f"import asyncio\n{ONE}\nasyncio.run(mine.execute(1))\n")
    ran = cerebelum("run", "mine:mine", "--local", "--input", "41", "--json", folder=tmp_path)
    assert (ran.code, ran.err) == (Exit.OK, "")
    away = cerebelum("worker", "mine", "--core", "nowhere", folder=tmp_path)
    assert away.err.startswith("error: 'nowhere' is no address")


def test_a_module_that_needs_another_names_the_other(tmp_path: Path) -> None:
    module(tmp_path, "import no_such_library\n")
    ran = cerebelum("worker", "mine", folder=tmp_path)
    assert ran.code == Exit.USAGE
    assert "needs 'no_such_library', which is not installed" in ran.err


def test_a_workflow_with_faults_shows_all_of_them(tmp_path: Path) -> None:
    source = """
from cerebelum import step, workflow

@step
async def first(second: int, nothing: int) -> int:
    return second

@step
async def second(first: int) -> int:
    return first

@workflow
def wrong(wf):
    wf.timeline(first >> second)
"""
    module(tmp_path, source)
    ran = cerebelum("worker", "mine", folder=tmp_path)
    assert ran.code == Exit.USAGE
    assert "the steps 'first', 'second' depend on each other in a cycle" in ran.err
    assert "'first' has a parameter 'nothing', which is no step" in ran.err


def test_a_workflow_name_that_a_module_does_not_have_shows_those_that_it_has(tmp_path: Path) -> None:
    module(tmp_path, ONE)
    ran = cerebelum("run", "mine:other", "--local", folder=tmp_path)
    assert ran.code == Exit.USAGE
    assert "module 'mine' has no workflow 'other': it has mine" in ran.err
    ran = cerebelum("run", "mine:mine", "--local", "--json", "--input", "41", folder=tmp_path)
    assert ran.code == Exit.OK
    assert '"output": 42' in ran.out


@pytest.mark.parametrize("command", ["run", "worker", "workflow"])
def test_a_colon_with_no_name_behind_it_chooses_no_workflow(tmp_path: Path, command: str) -> None:
    ran = cerebelum(command, "tests.e2e.flows:", folder=tmp_path, PYTHONPATH=str(PROJECT))
    assert (ran.code, ran.out) == (Exit.USAGE, "")
    assert "'tests.e2e.flows:' names no workflow behind its colon: it has " in ran.err


def test_a_result_that_cannot_travel_fails_the_step_and_says_which_part(tmp_path: Path) -> None:
    source = """
from cerebelum import step, workflow

@step
async def opens() -> object:
    return {"file": open(__file__)}

@workflow
def mine(wf):
    wf.timeline(opens)
"""
    module(tmp_path, source)
    ran = cerebelum("run", "mine:mine", "--local", folder=tmp_path)
    assert ran.code == Exit.FAILED
    assert "value['file'] is a _io.TextIOWrapper, which cannot travel between steps" in ran.out


def test_an_unknown_command_and_an_unknown_option_are_usage_errors(tmp_path: Path) -> None:
    assert cerebelum("frobnicate", folder=tmp_path).code == Exit.USAGE
    assert cerebelum("list", "--frobnicate", folder=tmp_path).code == Exit.USAGE
    assert cerebelum("worker", folder=tmp_path).code == Exit.USAGE


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["history", ""], "the execution's id is empty"),
        (["workflow", ":x"], "'' is no module"),
        (["workflow", "json:nope"], "module 'json' has no workflow 'nope'"),
        (["core", "--tls-cert", "x"], "--tls-cert and --tls-key go together"),
    ],
)
def test_what_is_wrong_before_a_core_is_asked_is_wrong_usage_in_one_line(
    tmp_path: Path, command: list[str], words: str
) -> None:
    ran = cerebelum(*command, folder=tmp_path)
    assert (ran.code, len(ran.err.splitlines())) == (Exit.USAGE, 1)
    assert words in ran.err


@pytest.mark.parametrize(
    "command",
    [
        ["run", "--local"],
        ["run", "x", "y"],
        ["worker"],
        ["core", "--store"],
        ["list", "--core"],
        ["list", "--status"],
        ["store", "read"],
        ["convert"],
    ],
)
def test_what_is_wrong_is_repeated_without_what_a_terminal_would_obey(tmp_path: Path, command: list[str]) -> None:
    ran = cerebelum(*command, "x\x1b[31m\n\x9by", folder=tmp_path)
    assert (ran.code in {Exit.USAGE, Exit.UNUSABLE}, "\x1b" in ran.err, "\x9b" in ran.err) == (True, False, False)
    assert r"x\x1b[31m" in ran.err


def test_an_interruption_while_it_is_still_imported_ends_with_130(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt")
    ran = cerebelum("list", folder=tmp_path)
    assert (ran.code, ran.err) == (Exit.INTERRUPTED, "error: interrupted\n")


def test_an_interruption_outside_of_the_loop_ends_with_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["try"])

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        run_commands(click.Command("try", callback=interrupted))
    assert ended.value.code == Exit.INTERRUPTED
    assert capsys.readouterr().err.strip() == "error: interrupted"


@pytest.mark.parametrize(
    "command",
    [
        ["run", "x", "--timeout", "nan"],
        ["run", "x", "--timeout", "1e-9"],
        ["run", "x", "--timeout", "1e300"],
        ["cancel", "x", "--cleanup", "nan"],
        ["cancel", "x", "--cleanup", "inf"],
        ["core", "--lease", "nan"],
        ["list", "--core", NOBODY, "--retry", "nan"],
    ],
)
def test_seconds_that_no_clock_counts_are_refused_under_their_option(tmp_path: Path, command: list[str]) -> None:
    ran = cerebelum(*command, folder=tmp_path)
    assert ran.code == Exit.USAGE
    assert f"Invalid value for '{command[-2]}': {float(command[-1])} is no" in ran.err.replace("is not", "is no")


@pytest.mark.parametrize(
    "command",
    [
        ["run", "x", "--execution-id"],
        ["run", "x", "--queue"],
        ["fork", "x", "--execution-id"],
        ["signal", "x", "y", "--signal-id"],
    ],
)
def test_a_name_that_came_out_empty_is_no_name_left_out(tmp_path: Path, command: list[str]) -> None:
    ran = cerebelum(*command, "", "--core", NOBODY, "--retry", "0", folder=tmp_path)
    assert ran.code == Exit.USAGE
    assert f"Invalid value for '{command[-1]}': it is empty" in ran.err


def test_a_queue_of_a_worker_that_is_no_name_is_wrong_usage(tmp_path: Path) -> None:
    ran = cerebelum("worker", "tests.e2e.flows", "--queue", "a b", folder=tmp_path, PYTHONPATH=str(PROJECT))
    assert (ran.code, "queue 'a b' is no name" in ran.err) == (Exit.USAGE, True)


def test_a_word_that_is_no_text_is_told_of_as_such(tmp_path: Path) -> None:
    ran = cerebelum("run", "order", "--no-wait", "--execution-id", "\udcff", folder=tmp_path)
    assert ran.code == Exit.USAGE
    assert r"Invalid value for '--execution-id': '\udcff' is no UTF-8" in ran.err
