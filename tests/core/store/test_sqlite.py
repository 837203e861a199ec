"""What the SQLite store promises beyond."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from itertools import product
from pathlib import Path

import apsw
import pytest

from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.clock import SystemClock
from cerebelum_core.errors import (
    OwnershipLost,
    StoreInUse,
    StoreRefused,
    StoreUnavailable,
    StoreUnusable,
    StoreUrlError,
)
from cerebelum_core.store import EventStore, HeadQuery, Place, open_store
from cerebelum_core.store.listing import count_of, page_of
from cerebelum_core.store.rows import APPEND_CELLS, cells_of
from cerebelum_core.store.sqlite import SqliteStore
from cerebelum_core.store.sqlite_database import open_sqlite_database
from cerebelum_core.store.sqlite_writer import PATIENCE_MS, SqliteWriter, connect, transaction
from cerebelum_core.store.writer import HereIfAlone
from cerebelum_proto.events.v1.events_pb import StepCompleted
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker.worker_service_pb import ExecutionState
from tests.core.store.appends import START, WRITER, append, head


def opened(path: Path, node_id: str = "node", *, apart: bool = False) -> EventStore:
    return open_store(f"sqlite:///{path}", node_id=node_id, clock=SystemClock(), apart=apart)


apart_or_not = pytest.mark.parametrize("apart", [False, True], ids=["in a thread", "in a process"])


@apart_or_not
async def test_what_was_acknowledged_before_kill_9_is_there(tmp_path: Path, apart: bool) -> None:
    path = tmp_path / "core.db"
    command = [sys.executable, "-c", WRITER, f"sqlite:///{path}", str(apart)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"open\n"
        acknowledged = [int(child.stdout.readline()) for _ in range(500)]
        child.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in child.stdout.read().splitlines()]
    store = opened(path)
    for number in acknowledged:
        assert len(await store.read(f"x{number:06}")) == 2
    await store.close()


@apart_or_not
async def test_a_second_core_on_the_same_file_is_refused_until_the_first_is_gone(tmp_path: Path, apart: bool) -> None:
    path = tmp_path / "core.db"
    first = opened(path, "first", apart=apart)
    with pytest.raises(StoreInUse, match="node first, process"):
        opened(path, "second", apart=apart)
    await first.close()
    third = opened(path, "third", apart=apart)
    assert not third.ended_node, "it let go of the file, and its process lives"
    await third.close()


@pytest.mark.parametrize("way", ["link", "folder/core.db", "link to link", "../real/core.db", "here/../core.db"])
async def test_a_second_core_is_refused_by_whichever_way_it_comes_to_the_file(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, elsewhere = tmp_path / "real", tmp_path / "elsewhere"
    for folder in (real, real / "here", elsewhere):
        folder.mkdir()
    (elsewhere / "link").symlink_to("../real/core.db")
    (elsewhere / "link to link").symlink_to("link")
    (elsewhere / "folder").symlink_to(real)
    monkeypatch.chdir(real if way.startswith("here") else elsewhere)
    for one, other in ((real / "core.db", Path(way)), (Path(way), real / "core.db")):
        first = opened(one, "first")
        with pytest.raises(StoreInUse, match="node first, process"):
            opened(other, "second")
        await first.close()
    assert [file.name for file in elsewhere.iterdir() if not file.is_symlink()] == []


async def test_a_file_that_has_a_second_name_is_refused_under_both(tmp_path: Path) -> None:
    names = [tmp_path / "core.db", tmp_path / "other.db"]
    await opened(names[0]).close()
    names[1].hardlink_to(names[0])
    for name in names:
        for open_it in (opened, open_sqlite_database):
            with pytest.raises(StoreUnusable, match=r"has 2 names \(hard links\).*remove all but one"):
                open_it(name)
    names[0].unlink()
    await opened(names[1]).close()


@apart_or_not
async def test_a_store_that_lost_its_file_to_a_newer_one_writes_nothing(tmp_path: Path, apart: bool) -> None:
    store = opened(tmp_path / "core.db", apart=apart)
    await store.append(append("x", 0))
    thief = apsw.Connection(str(tmp_path / "core.db"))
    thief.execute("UPDATE ownership SET epoch = epoch + 1")
    with pytest.raises(OwnershipLost):
        await store.append(append("x", 1))
    await asyncio.wait_for(store.superseded(), 5)
    assert len(await store.read("x")) == 1
    thief.close()
    await store.close()


@apart_or_not
async def test_a_caller_that_goes_away_does_not_take_its_write_with_it(tmp_path: Path, apart: bool) -> None:
    store = opened(tmp_path / "core.db", apart=apart)
    writing = asyncio.ensure_future(store.append(append("x", 0)))
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await store.close()
    again = opened(tmp_path / "core.db", apart=apart)
    assert len(await again.read("x")) == 1
    await again.close()


@apart_or_not
async def test_a_write_that_cannot_be_made_fails_alone(tmp_path: Path, apart: bool) -> None:
    """The executions that share its batch are written, its own row is left as it was, and the writer goes on."""
    store = opened(tmp_path / "core.db", apart=apart)
    await store.append(append("bad", 0))
    too_large = append("bad", 1, row=replace(head(), step_index=1 << 63))
    repeated = replace(append("worse", 0), events=[*append("worse", 0).events] * 2)
    outcomes = await asyncio.gather(
        *(store.append(each) for each in (append("a", 0), too_large, repeated, append("b", 0))), return_exceptions=True
    )
    failure = RuntimeError if apart else OverflowError
    assert [type(outcome) for outcome in outcomes] == [type(None), failure, StoreRefused, type(None)]
    for execution_id, version in (("a", 1), ("b", 1), ("bad", 1)):
        stored = await store.head(execution_id)
        assert stored is not None
        assert stored.version == version
    assert await store.head("worse") is None
    await store.append(append("bad", 1))
    await store.close()


async def test_while_another_process_writes_to_the_file_only_a_thread_waits_for_it(tmp_path: Path) -> None:
    store = opened(tmp_path / "core.db")
    assert isinstance(store, SqliteStore)
    await store.append(append("x", 0))
    assert isinstance(store._writer._committer, HereIfAlone)
    store._writer._committer._takes_s = 0.0  # however slow this disk is: the next one is committed in the loop
    other, begun = connect(tmp_path / "core.db"), time.monotonic()
    with transaction(other):
        writing = asyncio.ensure_future(store.append(append("x", 1)))
        for _ in range(3):
            await asyncio.sleep(0)
        assert not writing.done()
        assert time.monotonic() - begun < PATIENCE_MS / 1000
    await writing
    other.close()
    await store.close()


async def test_a_transaction_that_an_interruption_left_open_swallows_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path / "core.db")
    assert isinstance(store, SqliteStore)
    await store.append(append("x", 0))
    store._writer_connection.execute("BEGIN IMMEDIATE")
    await store.append(append("y", 0))
    other = connect(tmp_path / "core.db")
    assert list(other.execute("SELECT execution_id FROM executions ORDER BY 1")) == [("x",), ("y",)]
    other.close()
    await store.close()


def test_what_is_written_at_once_is_moved_into_the_file_by_who_has_time(tmp_path: Path) -> None:
    file = tmp_path / "core.db"
    asyncio.run(_made(file))
    with closing(connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        writer = SqliteWriter(connection, epoch=1)
        size, writes = file.stat().st_size, [cells_of(append(f"x{n}", 0, 1_000)) for n in range(102)]
        assert [len(writer.commit_at_once([write])) for write in writes[:101]] == [1] * 100 + [0]
        assert file.stat().st_size == size
        assert writer.commit(writes[100:101]) == [None]
        assert file.stat().st_size > size
        assert len(writer.commit_at_once(writes[101:])) == 1


async def _made(file: Path) -> None:
    await opened(file).close()


@apart_or_not
async def test_what_the_file_will_never_give_nor_take_is_refused_for_good(tmp_path: Path, apart: bool) -> None:
    store = opened(tmp_path / "core.db", apart=apart)
    await store.append(append("x", 0))
    with closing(connect(tmp_path / "core.db")) as somebody:
        somebody.execute("DROP TABLE events")
    with pytest.raises(StoreRefused, match="the store cannot read: .*no such table"):
        await store.read("x")
    with pytest.raises(StoreRefused, match="the store cannot write: .*no such table"):
        await store.append(append("y", 0))
    await store.close()


async def test_what_a_full_disk_cannot_take_is_refused_and_leaves_nothing_behind(tmp_path: Path) -> None:
    store = opened(tmp_path / "core.db")
    assert isinstance(store, SqliteStore)
    room = store._writer_connection
    room.execute(f"PRAGMA max_page_count = {room.pragma('page_count') + 20}")
    ids = [f"x{n:03}" for n in range(400)]
    outcomes = await asyncio.gather(*(store.append(append(each, 0, 2)) for each in ids), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {type(None), StoreUnavailable}
    assert "disk is full" in str(outcomes[-1])
    room.execute("PRAGMA max_page_count = 1000000")
    for each, outcome in zip(ids, outcomes, strict=True):
        assert len(await store.read(each)) == (2 if outcome is None else 0)
        assert (await store.head(each) is None) is (outcome is not None)
    await store.append(append(ids[-1], 0))
    await store.close()


async def test_a_timer_beyond_64_bits_of_nanoseconds_is_kept_as_the_last_that_they_hold(tmp_path: Path) -> None:
    store = opened(tmp_path / "core.db")
    await store.append(append("x", 0, row=replace(head(), wake_at=Timestamp(253_402_300_799))))
    found = await store.head("x")
    assert found is not None
    assert found.head.wake_at == Timestamp.from_ns((1 << 63) - 1)
    await store.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://host/db", "'mysql://host/db' is not understood: use sqlite:///FILE"),
        ("sqlite://", "not understood"),
        ("sqlite:///", "not understood"),
        ("sqlite:///:memory:", "not understood: use .* or memory://"),
        ("core.db", "not understood"),
        ("", "'' is not understood"),
        ("sqlite:///\udcff.db", r"'sqlite:///\\udcff.db' is not written in UTF-8"),
        ("postgresql://host/\udcff", "is not written in UTF-8"),
    ],
)
def test_a_url_that_names_no_store_is_refused(url: str, said: str) -> None:
    with pytest.raises(StoreUrlError, match=said):
        open_store(url, node_id="node", clock=SystemClock())


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="nowhere does not exist"):
        opened(tmp_path / "nowhere" / "core.db")


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "core.db"
    path.write_text("dear diary, " * 100)
    with pytest.raises(StoreUnusable, match=r"core\.db cannot be used: .*not a database"):
        opened(path)
    assert path.read_text().startswith("dear diary")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
@pytest.mark.parametrize("table", ["customers", "migrations"])
def test_the_database_of_another_program_is_left_alone(tmp_path: Path, journal: str, table: str) -> None:
    path = tmp_path / "core.db"
    with closing(apsw.Connection(str(path))) as connection:
        connection.pragma("journal_mode", journal)
        connection.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY)")
    before = path.read_bytes()
    with pytest.raises(StoreUnusable, match=f"database of another program, with a table {table}"):
        opened(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


async def test_an_empty_file_and_an_empty_database_become_stores(tmp_path: Path) -> None:
    (tmp_path / "file.db").touch()
    with closing(apsw.Connection(str(tmp_path / "database.db"))) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT); DROP TABLE t")
    for name in ("file.db", "database.db"):
        await opened(tmp_path / name).close()


def test_a_folder_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "core.db").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("core.db", ".", "..", "/"):
        with pytest.raises(StoreUnusable, match="is a folder: name a file in it"):
            opened(Path(name))
    assert [each.name for each in tmp_path.iterdir()] == ["core.db"]


async def test_a_newer_schema_and_an_altered_one_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "core.db"
    await opened(path).close()
    database = apsw.Connection(str(path))
    database.execute("UPDATE migrations SET checksum = 'altered'")
    with pytest.raises(StoreUnusable, match=r"0001_initial\.sql is not the one"):
        opened(path)
    database.execute("UPDATE migrations SET number = 7")
    with pytest.raises(StoreUnusable, match="schema 7.*use a newer"):
        opened(path)
    database.close()


async def test_a_list_finds_its_index_whatever_it_is_filtered_by(tmp_path: Path) -> None:
    await opened(tmp_path / "core.db").close()
    database = apsw.Connection(str(tmp_path / "core.db"))
    place = Place(START, "x")
    for workflow, status, after in product(["", "order"], [None, ExecutionState.EXECUTION_FAILED], [None, place]):
        query = HeadQuery(workflow=workflow, status=status, after=after)
        for statement, bindings in (page_of(query, "executions"), count_of(query, "executions")):
            plan = " ".join(str(row[3]) for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", bindings))
            assert "USING" in plan, plan
            assert "TEMP B-TREE" not in plan, plan
    database.close()


async def test_many_rows_are_read_as_one_so_that_a_busy_loop_holds_up_no_read(tmp_path: Path) -> None:
    store = opened(tmp_path / "core.db")
    await asyncio.gather(*(store.append(append(f"x{n}", 0, 3, row=head(wake_s=n))) for n in range(10)))
    steps: list[apsw.Cursor] = []

    def note(cursor: apsw.Cursor, row: apsw.SQLiteValues) -> apsw.SQLiteValues:
        steps.append(cursor)
        return row

    assert isinstance(store, SqliteStore)
    store._reader_connection.row_trace = note
    assert len(await store.read("x1")) == 3
    assert len(await store.histories([f"x{n}" for n in range(10)], limit=3)) == 10
    assert len(await store.ready()) == 10
    assert len(await store.due(Timestamp(START.seconds + 10), limit=100)) == 10
    assert len(steps) == 4
    await store.close()


async def test_many_appends_are_one_statement_so_that_a_busy_loop_holds_up_no_write(tmp_path: Path) -> None:
    store = opened(tmp_path / "core.db")
    statements: list[str] = []

    def note(cursor: apsw.Cursor, statement: str, bindings: apsw.Bindings | None) -> bool:
        statements.append(statement)
        return True

    assert isinstance(store, SqliteStore)
    store._writer_connection.exec_trace = note
    await asyncio.gather(*(store.append(append(f"x{n}", 0, 2)) for n in range(50)))
    await asyncio.gather(*(store.append(append(f"x{n}", 2)) for n in range(50)))
    assert [statement.partition(" VALUES")[0] for statement in statements] == ["INSERT INTO appends"] * 2
    await store.close()


async def test_events_of_a_kilobyte_lie_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "core.db"
    store = opened(path)
    for version in range(0, 300, 3):
        large = append("x", version, 3)
        for event in large.events:
            event.fact = StepCompleted(step="pay", output=Payload(data=b"x" * 1_100))
        await store.append(large)
    await store.close()
    assert path.stat().st_size < 1.5 * 300 * 1_150


async def test_events_that_a_damaged_store_has_left_over_stand_in_nobody_s_way(tmp_path: Path) -> None:
    store = opened(tmp_path / "core.db")
    await store.append(append("a", 0))
    await store.append(append("b", 0, 3))
    apsw.Connection(str(tmp_path / "core.db")).execute("DELETE FROM executions WHERE execution_id = 'b'")
    await store.append(append("c", 0, 2))
    assert len(await store.read("c")) == 2
    await store.close()


def test_what_a_history_costs_to_write_at_once_grows_with_its_length_alone() -> None:
    def took_s(events: int) -> float:
        long = append("x", 0, events)
        begun = time.process_time()
        assert len(cells_of(long)) == events * len(APPEND_CELLS)
        return time.process_time() - begun

    assert took_s(20_000) < 50 * min(took_s(2_000) for _ in range(3))
