"""What the PostgreSQL store promises beyond: it outlives its connections, its server and its writer."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import cast

import pytest

from cerebelum_core.clock import SystemClock
from cerebelum_core.errors import StoreRefused, StoreUnavailable
from cerebelum_core.store.apart import ProcessCommitter
from cerebelum_core.store.postgres import PostgresStore, open_postgres
from tests.core.store.appends import append
from tests.core.store.databases import apart_or_not, kill_backends, opened
from tests.postgresql import PostgresServer, run


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
    assert [type(each) for each in outcomes if each is not None] == [StoreRefused]
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
    assert [type(each) for each in outcomes] == [type(None), type(None), StoreRefused, type(None)]
    assert "violates check constraint" in str(outcomes[2])
    assert [len(await store.read(each)) for each in ["x", *ids]] == [2, 1, 0, 1]
    await store.close()


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
