"""The tables of a store, read and pruned from beside a Core that may be running: without its ownership.

Statements are the same for every database: `@` stands before the name of a table, `?` for a value, and `@key` is the
column by which events name their execution.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from cerebelum_core.errors import StoreUnusable, StoreUrlError
from cerebelum_core.store import require_text
from cerebelum_core.store.migrations import Migration
from cerebelum_core.store.rows import Cell, Row

KEPT = "sqlite:///FILE or postgresql://USER@HOST/DATABASE"
"""How the URL of a store is written that outlives its process."""


class Database(Protocol):
    """One connection."""

    def rows(self, statement: str, *values: Cell) -> Sequence[Row]:
        """The rows of a statement."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Read everything as it was at one moment."""

    def transaction(self) -> AbstractContextManager[None]:
        """Write all or nothing."""

    def outstanding(self) -> Sequence[Migration]:
        """The migrations that are not applied.

        Raises:
            StoreUnusable: the schema is not one that this Cerebelum knows.
        """

    def faults(self) -> Iterator[str]:
        """What is wrong with the database itself."""

    def close(self) -> None:
        """Let go of it."""


@contextmanager
def open_database(url: str) -> Iterator[Database]:
    """The database of a store's URL.

    Raises:
        StoreUrlError: it names none.
        StoreUnusable: it is not there, or fails.
    """
    opened = _open(url)
    try:
        yield opened
    finally:
        opened.close()


def _open(url: str) -> Database:
    require_text(url)
    if url.startswith(("postgresql://", "postgres://")):
        try:
            from cerebelum_core.store.postgres_database import open_postgres_database
        except ImportError as error:
            raise StoreUnusable(
                f"the PostgreSQL store needs more packages ({error}): pip install 'cerebelum[postgres]'"
            ) from None
        return open_postgres_database(url)
    scheme, separator, path = url.partition(":///")
    if scheme == "sqlite" and separator and path:
        from cerebelum_core.store.sqlite_database import open_sqlite_database

        return open_sqlite_database(Path(path))
    raise StoreUrlError(f"name a store that is kept: {KEPT}")
