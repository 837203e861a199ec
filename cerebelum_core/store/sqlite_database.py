"""The tables of a SQLite store, beside its Core. Both wait for each other's transactions, which are short."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import apsw

from cerebelum_core.errors import StoreUnusable
from cerebelum_core.store import rows
from cerebelum_core.store import sqlite_statements as sql
from cerebelum_core.store.lock import require_one_name
from cerebelum_core.store.migrations import Migration, migrations, outstanding
from cerebelum_core.store.rows import Cell, Row

_WAIT_MS = 30_000


class SqliteDatabase:
    """Made by `open_sqlite_database`."""

    def __init__(self, path: Path, connection: apsw.Connection) -> None:
        self._path = path
        self._connection = connection

    def rows(self, statement: str, *values: Cell) -> Sequence[Row]:
        """The rows of a statement."""
        with self._said():
            text = statement.replace("@key", "number").replace("@", "")
            return list(self._connection.execute(text, values))

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read everything as it was at one moment."""
        with self._block("BEGIN"):
            yield

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all or nothing."""
        with self._block("BEGIN IMMEDIATE"):
            yield

    def outstanding(self) -> Sequence[Migration]:
        """The migrations that are not applied."""
        known = migrations("sqlite")
        if not self.rows("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'"):
            return known
        return outstanding(known, dict(rows.migration(row) for row in self.rows(sql.MIGRATIONS)))

    def faults(self) -> Iterator[str]:
        """What is wrong with the file."""
        for row in self.rows("PRAGMA integrity_check(20)"):
            if rows.text(row) != "ok":
                yield f"SQLite: {rows.text(row)}"

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @contextmanager
    def _block(self, begin: str) -> Iterator[None]:
        with self._said():
            self._connection.execute(begin)
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except apsw.Error as error:
            raise StoreUnusable(f"{self._path} cannot be used: {error}") from None


def open_sqlite_database(path: Path) -> SqliteDatabase:
    """A file that is there.

    Raises:
        StoreUnusable: it is not, is no database, or has several names.
    """
    if not path.is_file():
        raise StoreUnusable(f"there is no store {path}: start a Core on it, or run `cerebelum store migrate`")
    require_one_name(path)
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        connection.set_busy_timeout(_WAIT_MS)
        connection.execute("PRAGMA synchronous = FULL")
    except apsw.Error as error:
        raise StoreUnusable(f"{path} cannot be used: {error}") from None
    return SqliteDatabase(path, connection)
