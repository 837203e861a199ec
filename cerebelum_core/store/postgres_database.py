"""The tables of a PostgreSQL store, beside its Core."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

from cerebelum_core.store.migrations import Migration
from cerebelum_core.store.postgres_address import PostgresAddress, postgres_address
from cerebelum_core.store.postgres_schema import due_migrations
from cerebelum_core.store.rows import Cell, Row

_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")


class PostgresDatabase:
    """Made by `open_postgres_database`."""

    def __init__(self, address: PostgresAddress, connection: psycopg.Connection) -> None:
        self._address = address
        self._connection = connection

    def rows(self, statement: str, *values: Cell) -> Sequence[Row]:
        """The rows of a statement."""
        with self._said():
            text = statement.replace("@key", "execution_id").replace("@", "cerebelum.").replace("?", "%s")
            return self._connection.execute(text.encode(), values, binary=True).fetchall()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read everything as it was at one moment."""
        with self._said(), self._connection.transaction():
            self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all or nothing."""
        with self._said(), self._connection.transaction():
            yield

    def outstanding(self) -> Sequence[Migration]:
        """The migrations that are not applied."""
        with self._said():
            return due_migrations(self._connection)

    def faults(self) -> Iterator[str]:
        """Settings of the server under which a commit is not durable."""
        for name in _DURABLE:
            if self.rows("SELECT setting FROM pg_settings WHERE name = ?", name) == [("off",)]:
                yield f"the server runs with {name}=off: what it has acknowledged can be lost"

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise self._address.unusable(error) from None


def open_postgres_database(url: str) -> PostgresDatabase:
    """A database that is there.

    Raises:
        StoreUrlError, StoreUnusable: it is not, or cannot keep executions.
    """
    address = postgres_address(url)
    try:
        connection = address.connect()
    except psycopg.Error as error:
        raise address.unusable(error) from None
    try:
        address.require_usable(connection)
        connection.execute("SET enable_seqscan = on")  # to look at everything, everything must be read
    except BaseException:
        connection.close()
        raise
    return PostgresDatabase(address, connection)
