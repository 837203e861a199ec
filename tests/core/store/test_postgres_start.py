"""What a Core says that cannot start on a database: where it is, what it is, and what is in it."""

from __future__ import annotations

import asyncio

import pytest

from cerebelum_core.errors import StoreUnusable, StoreUrlError
from cerebelum_core.store import postgres_address
from tests.core.store.databases import opened
from tests.postgresql import PostgresServer, run


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
