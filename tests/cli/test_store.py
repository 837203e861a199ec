"""`cerebelum store`: what it prints, and its exit codes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import apsw
import pytest

from cerebelum_cli.exits import Exit
from cerebelum_core.clock import SystemClock
from cerebelum_core.store import open_store
from tests.cli.command_line import cerebelum
from tests.core.store.appends import append
from tests.core.store.test_upkeep import fill
from tests.postgresql import PostgresServer


def test_a_store_is_made_checked_pruned_and_its_archive_read(tmp_path: Path) -> None:
    made = cerebelum("store", "migrate", folder=tmp_path)
    assert made.out == "sqlite:///cerebelum.db is up to date\n"
    asyncio.run(fill(f"sqlite:///{tmp_path}/cerebelum.db", running=2, ended=3))

    checked = cerebelum("store", "check", folder=tmp_path)
    assert (checked.code, checked.out) == (
        Exit.OK,
        "executions: 2 running, 3 completed\nevents: 16\nblueprints: 2\nno faults\n",
    )
    pruned = cerebelum("store", "prune", "--older-than", "30d", "--archive", "old", folder=tmp_path)
    assert pruned.out == "3 executions archived and removed\n"
    read = cerebelum("store", "read", "old", folder=tmp_path)
    assert len(read.out.splitlines()) == 6
    assert json.loads(read.out.splitlines()[0])["execution_id"] == "ended0000"


def test_an_archive_that_cannot_be_added_to_is_named_and_removes_nothing(tmp_path: Path) -> None:
    asyncio.run(fill(f"sqlite:///{tmp_path}/cerebelum.db", running=0, ended=3))
    (tmp_path / "old.csv").write_text("id,name\n1,Ada\n")
    for file, words in (("old.csv", "old.csv is no archive"), ("no/old", "cannot write the archive no/old: No such")):
        ran = cerebelum("store", "prune", "--older-than", "1d", "--archive", file, folder=tmp_path)
        assert ran.code == Exit.UNUSABLE
        assert words in ran.err
        assert "cannot be read" not in ran.err
    assert "3 completed" in cerebelum("store", "check", folder=tmp_path).out


def test_a_store_with_a_fault_fails_the_check_and_says_so_in_json_too(tmp_path: Path) -> None:
    asyncio.run(fill(f"sqlite:///{tmp_path}/cerebelum.db", running=2, ended=0))
    database = apsw.Connection(str(tmp_path / "cerebelum.db"))
    number = "SELECT number FROM executions WHERE execution_id = 'é0001'"
    database.execute(f"DELETE FROM events WHERE version = 1 AND number = ({number})")
    database.close()
    checked = cerebelum("store", "check", "--json", folder=tmp_path)
    assert checked.code == Exit.FAILED
    assert "'é0001' should have 5 events and has 4" in json.loads(checked.out)["faults"][0]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("check",), Exit.UNUSABLE, "there is no store cerebelum.db"),
        (("check", "--store", "memory://"), Exit.UNUSABLE, "name a store that is kept"),
        (("check", "--store", "postgresql://ada:secret@127.0.0.1:1/db"), Exit.UNUSABLE, "cannot connect to"),
        (("migrate", "--store", "memory://"), Exit.UNUSABLE, "a store in memory ends with this command"),
        (("migrate", "--store", "nonsense"), Exit.UNUSABLE, "use sqlite:///FILE"),
        (("copy", "sqlite:///no.db", "sqlite:///b.db"), Exit.UNUSABLE, "there is no store no.db"),
        (("copy", "sqlite:///no.db"), Exit.USAGE, "Missing argument 'TO'"),
        (("prune",), Exit.USAGE, "--older-than"),
        (("prune", "--older-than", "soon"), Exit.USAGE, "'soon' is no age: write 30d, 12h, 90m or 10s"),
        (("prune", "--older-than", "\N{ARABIC-INDIC DIGIT THREE}d"), Exit.USAGE, "is no age"),
        (("read", "nothing"), Exit.USAGE, "the archive cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, arguments: tuple[str, ...], code: Exit, words: str) -> None:
    ran = cerebelum("store", *arguments, folder=tmp_path)
    assert ran.code == code
    assert words in ran.err
    assert "secret" not in ran.err


def test_a_store_that_is_full_of_something_else_takes_no_copy(tmp_path: Path) -> None:
    for name in "ab":
        asyncio.run(fill(f"sqlite:///{tmp_path}/{name}.db", running=1, ended=0))
    asyncio.run(end(f"sqlite:///{tmp_path}/b.db"))
    ran = cerebelum("store", "copy", "sqlite:///a.db", "sqlite:///b.db", folder=tmp_path)
    assert ran.code == Exit.REFUSED
    assert "copy into an empty store" in ran.err


def test_an_id_that_the_target_cannot_keep_is_named_and_left_out_on_request(
    tmp_path: Path, postgresql: PostgresServer
) -> None:
    asyncio.run(fill(f"sqlite:///{tmp_path}/a.db", running=1, ended=0))
    asyncio.run(begin(f"sqlite:///{tmp_path}/a.db", "a\0b"))
    target = postgresql.new_database()
    refused = cerebelum("store", "copy", "sqlite:///a.db", target, folder=tmp_path)
    assert refused.code == Exit.REFUSED
    assert r"cannot keep execution 'a\x00b'" in refused.err
    copied = cerebelum("store", "copy", "--leave-out", "sqlite:///a.db", target, folder=tmp_path)
    assert copied.code == Exit.OK
    assert copied.out.startswith("left out: execution 'a\\x00b' of the workflow 'order'\n1 executions, 5 events; all ")


async def begin(url: str, execution_id: str) -> None:
    store = open_store(url, node_id="node", clock=SystemClock())
    await store.append(append(execution_id, 0))
    await store.close()


async def end(url: str) -> None:
    store = open_store(url, node_id="node", clock=SystemClock())
    await store.append(append("é0000", 5))
    await store.close()
