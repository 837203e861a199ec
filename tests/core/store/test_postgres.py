"""What the PostgreSQL store promises beyond: it outlives its connections and its server, and says whom it refuses."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.clock import SystemClock
from cerebelum_core.errors import OwnershipLost, StoreInUse, StoreUnavailable, StoreUnusable, StoreUrlError
from cerebelum_core.store import EventStore, open_store, postgres_address
from cerebelum_core.store.apart import ProcessCommitter
from cerebelum_core.store.postgres import PostgresStore, open_postgres
from cerebelum_core.store.postgres_statements import number_array, text_array
from tests.core.store.appends import append
from tests.postgresql import PostgresServer, run

_OWNER = """
import asyncio, sys
from cerebelum_core.clock import SystemClock
from cerebelum_core.store import open_store
from tests.core.store.appends import append

async def main() -> None:
    store = open_store(sys.argv[1], node_id="victim", clock=SystemClock(), apart=sys.argv[2] == "True")
    async def write(number: int) -> None:
        await store.append(append(f"x{number:06}", 0, 2))
        print(number, flush=True)
    print("open", flush=True)
    for first in range(0, 1_000_000, 50):
        await asyncio.gather(*(write(first + n) for n in range(50)))

asyncio.run(main())
"""


class LaterClock:
    """The system's clock, ahead by so much."""

    def __init__(self, ahead_s: int) -> None:
        self._ahead_ns = ahead_s * 1_000_000_000

    def now(self) -> Timestamp:
        return Timestamp.from_ns(SystemClock().now().to_ns() + self._ahead_ns)


def opened(url: str, node_id: str = "node", *, ahead_s: int = 0, apart: bool = False) -> EventStore:
    return open_store(url, node_id=node_id, clock=LaterClock(ahead_s), apart=apart)


apart_or_not = pytest.mark.parametrize("apart", [False, True], ids=["in a thread", "in a process"])


def kill_backends(url: str) -> None:
    run(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


# -- connections and servers that go away ----------------------------------------------------


@apart_or_not
async def test_appends_under_killed_backends_are_whole_and_what_was_acknowledged_is_there(
    postgresql: PostgresServer,
    apart: bool,
) -> None:
    url = postgresql.new_database()
    store = opened(url, apart=apart)
    acknowledged: list[str] = []
    unknown: list[str] = []

    async def write(execution_id: str) -> None:
        try:
            await store.append(append(execution_id, 0, 3))
            acknowledged.append(execution_id)
        except StoreUnavailable:
            unknown.append(execution_id)

    for first in range(0, 600, 60):
        ids = [f"x{first + n}" for n in range(60)]
        await asyncio.gather(asyncio.to_thread(kill_backends, url), *(write(each) for each in ids[:20]))
        await asyncio.gather(*(write(each) for each in ids[20:40]))
        await asyncio.gather(*(write(each) for each in ids[40:]))
    lengths = {each: len(await store.read(each)) for each in [*acknowledged, *unknown]}
    await store.close()
    assert {lengths[each] for each in acknowledged} == {3}
    assert {lengths[each] for each in unknown} <= {0, 3}


@apart_or_not
async def test_a_write_whose_connection_was_killed_is_unknown_and_reading_tells(
    postgresql: PostgresServer, apart: bool
) -> None:
    url = postgresql.new_database()
    store = opened(url, apart=apart)
    await store.append(append("x", 0))
    await asyncio.to_thread(kill_backends, url)
    with pytest.raises(StoreUnavailable, match="unknown"):
        await store.append(append("x", 1))
    assert len(await store.read("x")) == 1
    await store.append(append("x", 1))
    assert len(await store.read("x")) == 2
    await store.close()


@apart_or_not
async def test_a_server_that_stands_still_is_noticed_refused_and_reached_again(
    postgresql: PostgresServer, apart: bool
) -> None:
    if not postgresql.ours:
        pytest.skip("the server's processes are not the tests' own to stop")
    url = postgresql.new_database()
    store = open_postgres(url, "node", SystemClock(), patience_s=0.5, apart=apart)
    await store.append(append("x", 0))
    await store.read("x")
    backends = run(
        url, "SELECT pid FROM pg_stat_activity WHERE application_name = 'cerebelum' AND datname = current_database()"
    )
    for (pid,) in backends:
        os.kill(cast("int", pid), signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnavailable, match=r"unknown: the server did not answer within 0\.5 s"):
            await store.append(append("x", 1))
        assert len(await store.read("x")) == 1  # on a connection of its own, which another process serves
        await store.append(append("x", 1))
    finally:
        for (pid,) in backends:
            os.kill(cast("int", pid), signal.SIGCONT)
    assert len(await store.read("x")) == 2
    await store.close()


@apart_or_not
async def test_a_server_that_stands_still_as_a_whole_keeps_nobody_waiting(
    postgresql: PostgresServer, apart: bool
) -> None:
    if not postgresql.ours:
        pytest.skip("the server's processes are not the tests' own to stop")
    url = postgresql.new_database()
    store = open_postgres(f"{url}&connect_timeout=2", "node", SystemClock(), patience_s=0.5, apart=apart)
    await store.append(append("x", 0))
    with postgresql.standing_still():
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await store.append(append("x", 1))
    await store.append(append("x", len(await store.read("x"))))
    await store.close()


@apart_or_not
async def test_the_store_goes_on_after_its_server_was_restarted(postgresql: PostgresServer, apart: bool) -> None:
    if not postgresql.ours:
        pytest.skip("the server is not the tests' own to stop")
    store = opened(postgresql.new_database(), apart=apart)
    await store.append(append("x", 0))
    await asyncio.to_thread(postgresql.stop)
    try:
        with pytest.raises(StoreUnavailable):
            await store.append(append("x", 1))
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await store.read("x")
    finally:
        await asyncio.to_thread(postgresql.start)
    assert len(await store.read("x")) == 1
    await store.append(append("x", 1))
    assert len(await store.read("x")) == 2
    await store.close()


@apart_or_not
async def test_an_append_that_cannot_be_kept_takes_no_other_with_it(postgresql: PostgresServer, apart: bool) -> None:
    store = opened(postgresql.new_database(), apart=apart)
    ids = [f"x{n}" for n in range(20)]
    await asyncio.gather(*(store.append(append(each, 0)) for each in ids[:10]))
    moving = [store.append(append(each, 1)) for each in ids[:10]]
    beginning = [store.append(append(each, 0)) for each in ["no\0text", *ids[10:]]]
    outcomes = await asyncio.gather(*moving, *beginning, return_exceptions=True)
    assert [type(each) for each in outcomes if each is not None] == [StoreUnavailable]
    assert [len(await store.read(each)) for each in ids] == [2] * 10 + [1] * 10
    await store.close()


@apart_or_not
async def test_an_append_that_the_server_refuses_takes_no_other_with_it(
    postgresql: PostgresServer, apart: bool
) -> None:
    url = postgresql.new_database()
    store = opened(url, apart=apart)
    run(url, "ALTER TABLE cerebelum.events ADD CHECK (execution_id <> 'refused')")
    await store.append(append("x", 0))
    moving, ids = store.append(append("x", 1)), ["y", "refused", "z"]
    outcomes = await asyncio.gather(moving, *(store.append(append(each, 0)) for each in ids), return_exceptions=True)
    assert [type(each) for each in outcomes] == [type(None), type(None), StoreUnavailable, type(None)]
    assert "violates check constraint" in str(outcomes[2])
    assert [len(await store.read(each)) for each in ["x", *ids]] == [2, 1, 0, 1]
    await store.close()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_any_text_survives_as_an_element_of_an_array(postgresql: PostgresServer, values: list[str]) -> None:
    assert run(postgresql.url("postgres"), f"SELECT $text${text_array(list(values))}$text$::text[]")[0][0] == values


def test_numbers_and_absent_ones_survive_as_elements_of_an_array(postgresql: PostgresServer) -> None:
    values = [0, None, -1, 2**62]
    assert run(postgresql.url("postgres"), f"SELECT '{number_array(list(values))}'::bigint[]")[0][0] == values


async def test_a_writer_that_is_killed_leaves_its_batch_unknown_and_another_goes_on(postgresql: PostgresServer) -> None:
    store = opened(postgresql.new_database(), apart=True)
    assert isinstance(store, PostgresStore)
    committer = store._writer._committer
    assert isinstance(committer, ProcessCommitter)
    await store.append(append("x", 0))
    writer = committer.process_id
    assert writer is not None
    os.kill(writer, signal.SIGSTOP)
    written = asyncio.ensure_future(store.append(append("x", 1)))
    await asyncio.sleep(0)
    os.kill(writer, signal.SIGKILL)
    with pytest.raises(StoreUnavailable, match="the store's writer is gone"):
        await written
    await store.append(append("x", len(await store.read("x"))))
    assert committer.process_id not in (None, writer)
    await store.close()


async def test_nobody_reads_a_password_off_the_command_line_of_a_writer(postgresql: PostgresServer) -> None:
    store = opened(f"{postgresql.new_database()}&password=secret", apart=True)
    assert isinstance(store, PostgresStore)
    committer = store._writer._committer
    assert isinstance(committer, ProcessCommitter)
    await store.append(append("x", 0))
    told = Path(f"/proc/{committer.process_id}/cmdline").read_bytes()
    assert b"postgres_child" in told
    assert b"secret" not in told
    await store.close()


# -- one owner -------------------------------------------------------------------------------


async def test_a_second_core_is_refused_while_the_first_renews_its_lease(postgresql: PostgresServer) -> None:
    url = postgresql.new_database()
    first = opened(url, "first")
    with pytest.raises(StoreInUse, match=r"node first, process \d+ on .*, which is this one: let all"):
        opened(url, "second")
    run(url, "UPDATE cerebelum.ownership SET process_id = 1")
    with pytest.raises(StoreInUse, match=r"node first, process 1 on .*: stop that one.*its lease ends in \d+ s"):
        opened(url, "second")
    await first.close()
    third = opened(url, "third")
    assert not third.ended_node, "it gave the database back, and its process lives"
    await third.close()


@apart_or_not
async def test_a_second_core_takes_over_when_the_lease_has_ended_and_the_first_writes_nothing_more(
    postgresql: PostgresServer,
    apart: bool,
) -> None:
    url = postgresql.new_database()
    first = opened(url, "first", apart=apart)
    await first.append(append("x", 0))
    second = opened(url, "second", ahead_s=3600, apart=apart)
    assert not second.ended_node, "its lease has ended, and it may still live"
    with pytest.raises(OwnershipLost, match="a newer Core"):
        await first.append(append("x", 1))
    await asyncio.wait_for(first.superseded(), 5)
    with pytest.raises(OwnershipLost):
        await first.remove_worker("w")
    await second.append(append("x", 1))
    await first.close()
    await second.append(append("x", 2))
    assert len(await second.read("x")) == 3
    await second.close()


@apart_or_not
async def test_what_was_acknowledged_before_kill_9_is_there_and_the_next_core_need_not_wait(
    postgresql: PostgresServer,
    apart: bool,
) -> None:
    url = postgresql.new_database()
    with subprocess.Popen([sys.executable, "-c", _OWNER, url, str(apart)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"open\n"
        acknowledged = [int(child.stdout.readline()) for _ in range(500)]
        child.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in child.stdout.read().splitlines()]
    store = opened(url, apart=apart)
    assert store.ended_node == "victim"
    for number in acknowledged:
        assert len(await store.read(f"x{number:06}")) == 2
    await store.close()


def test_of_two_cores_that_start_at_once_on_an_empty_database_one_gets_it(postgresql: PostgresServer) -> None:
    url = postgresql.new_database()

    def start(node_id: str) -> str:
        async def start_and_stop() -> str:
            store = opened(url, node_id)
            started.set()
            await asyncio.to_thread(both.wait)
            await store.close()
            return node_id

        try:
            return asyncio.run(start_and_stop())
        except StoreInUse:
            both.set()
            return ""

    started, both = threading.Event(), threading.Event()
    with ThreadPoolExecutor(2) as threads:
        outcomes = sorted(threads.map(start, ["a", "b"]))
    assert outcomes[0] == ""
    assert outcomes[1] in ("a", "b")


# -- refusals --------------------------------------------------------------------------------


def refused(url: str) -> str:
    async def start() -> None:
        await opened(url).close()

    with pytest.raises((StoreUnusable, StoreUrlError)) as caught:
        asyncio.run(start())
    return str(caught.value)


def test_no_server_no_database_and_no_url_are_told_apart_and_no_password_is_shown(postgresql: PostgresServer) -> None:
    nobody = refused("postgresql://ada:secret@127.0.0.1:1/db")
    assert "cannot connect to postgresql://ada@127.0.0.1:1/db" in nobody
    assert "refused" in nobody
    nowhere = refused(postgresql.url("nowhere", password="secret"))
    assert "nowhere does not exist: create the database first" in nowhere
    odd = refused("postgresql://ada:secret@host/db?colour=blue")
    assert "colour" in odd
    assert "secret" not in nobody + nowhere + odd


def test_a_server_that_is_too_old_says_what_is_needed(
    postgresql: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_address, "OLDEST", 99)
    assert "Cerebelum needs 99 or newer" in refused(postgresql.new_database())


def test_a_database_in_another_encoding_or_without_writes_is_refused(postgresql: PostgresServer) -> None:
    postgresql.run("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    assert "not encoded in UTF-8" in refused(postgresql.url("latin"))
    url = postgresql.new_database()
    run(url, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', "
             "current_database()); END $$")  # fmt: skip
    assert "takes no writes" in refused(url)


def test_a_role_without_permission_is_told_what_it_lacks(postgresql: PostgresServer) -> None:
    url = postgresql.new_database()
    database = url.partition("@/")[2].partition("?")[0]
    postgresql.run("DO $$ BEGIN CREATE ROLE guest LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    as_guest = postgresql.url(database, user="guest")
    assert "give the role CREATE on the database" in refused(as_guest)
    asyncio.run(open_and_close(url))
    run(url, "GRANT USAGE ON SCHEMA cerebelum TO guest; GRANT SELECT ON ALL TABLES IN SCHEMA cerebelum TO guest")
    assert "role 'guest' may not read and write cerebelum.blueprints: GRANT ALL" in refused(as_guest)
    run(url, "GRANT ALL ON ALL TABLES IN SCHEMA cerebelum TO guest")
    asyncio.run(open_and_close(as_guest))


async def open_and_close(url: str) -> None:
    await opened(url).close()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("DELETE FROM cerebelum.migrations", "tables .* and no record of how they were made"),
        ("DROP TABLE cerebelum.workers", "lacks workers: a migration ran half"),
        ("UPDATE cerebelum.migrations SET checksum = 'altered'", r"0001_initial\.sql is not the one"),
        ("UPDATE cerebelum.migrations SET number = 7", "schema 7.*use a newer"),
    ],
)
def test_a_schema_that_is_not_ours_whole_and_known_is_refused(
    postgresql: PostgresServer, damage: str, said: str
) -> None:
    url = postgresql.new_database()
    asyncio.run(open_and_close(url))
    run(url, damage)
    with pytest.raises(StoreUnusable, match=said):
        asyncio.run(open_and_close(url))


def test_tables_of_another_program_are_left_alone(postgresql: PostgresServer) -> None:
    url = postgresql.new_database()
    run(url, "CREATE TABLE events (id int); CREATE TABLE migrations (id int); INSERT INTO events VALUES (1)")
    asyncio.run(open_and_close(url))
    assert run(url, "SELECT id FROM events") == [(1,)]
