"""Who writes to a SQLite file, in a thread or in a process of its own: one connection, for one epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import apsw

from cerebelum_core.errors import OwnershipLost, StoreError, StoreRefused, StoreUnavailable
from cerebelum_core.store import sqlite_statements as sql
from cerebelum_core.store.records import Outcome
from cerebelum_core.store.rows import Write, number
from cerebelum_core.store.sqlite_batch import Refused, fit, write, write_alone

AT_ONCE = 210
"""In one transaction: with an event each, and a second for every fifth, they fit into one statement."""
PATIENCE_MS = 5_000
"""So long it is waited for another process that writes to the file."""
_CHECKPOINT_PAGES = 1_000
"""Of so many pages beside it on, what was written is moved into the file: by whoever commits then."""
_MOST_AT_ONCE = 100
"""One at once writes some five to ten pages."""
_REFUSALS = (
    apsw.SQLError,
    apsw.ConstraintError,
    apsw.MismatchError,
    apsw.TooBigError,
    apsw.CorruptError,
    apsw.NotADBError,
)
"""What SQLite says of a statement, or of the file, and would say again."""


class SqliteWriter:
    """Writes in batches, as long as its epoch owns the file."""

    def __init__(self, connection: apsw.Connection, epoch: int) -> None:
        connection.execute(sql.CREATE_APPENDS)
        self.connection = connection
        self._epoch = epoch
        self._at_once = 0
        """How often `commit_at_once` was asked since it did nothing."""

    def commit(self, batch: Sequence[Write]) -> Sequence[Outcome]:
        """Run writes in one transaction: the appends together or, if one is refused, alone.

        Raises:
            StoreUnavailable: nothing is written.
        """
        self._take_time(PATIENCE_MS, _CHECKPOINT_PAGES)
        try:
            return self._commit(batch)
        except apsw.Error as error:
            raise trouble(error, "write") from error

    def commit_at_once(self, batch: Sequence[Write]) -> Sequence[Outcome]:
        """The same. Nothing is done, and nothing told, while another process writes to the file, and once in a while,
        so that `commit` may do what takes longer: to move into the file what was written beside it.
        """
        self._at_once += 1
        if self._at_once > _MOST_AT_ONCE:
            self._at_once = 0
            return ()
        self._take_time(0, 0)
        try:
            return self._commit(batch)
        except apsw.BusyError:
            return ()
        except apsw.Error as error:
            raise trouble(error, "write") from error

    def _take_time(self, patience_ms: int, checkpoint_pages: int) -> None:
        self.connection.set_busy_timeout(patience_ms)
        self.connection.wal_autocheckpoint(checkpoint_pages)

    def _commit(self, batch: Sequence[Write]) -> Sequence[Outcome]:
        try:
            if self.connection.in_transaction:
                # A handler of signals struck between two statements: what was acknowledged since would not be durable.
                self.connection.execute("ROLLBACK")
            with suppress(Refused):
                return self._commit_all(batch)
            with transaction(self.connection):
                self._require_ownership()
                return [self._attempt(each) for each in batch]
        except OwnershipLost as error:
            return [error] * len(batch)

    def _commit_all(self, batch: Sequence[Write]) -> Sequence[Outcome]:
        appends = [each for each in batch if isinstance(each, tuple)]
        if len(appends) == len(batch) and fit(appends):
            write(self.connection, self._epoch, appends)
            return [None] * len(batch)
        with transaction(self.connection):
            write(self.connection, self._epoch, appends)
            return [None if isinstance(each, tuple) else self._attempt(each) for each in batch]

    def _require_ownership(self) -> None:
        epoch = number(next(self.connection.execute(sql.EPOCH)))
        if epoch != self._epoch:
            raise OwnershipLost(f"the store belongs to epoch {epoch}, this Core is of epoch {self._epoch}")

    def _attempt(self, each: Write) -> Outcome:
        """Run one write. A refusal is its own alone; it comes before it has changed anything."""
        try:
            if isinstance(each, tuple):
                write_alone(self.connection, self._epoch, each)
            else:
                for statement, row in each:
                    self.connection.execute(statement, row)
        except StoreError as error:
            return error
        return None


def trouble(error: apsw.Error, doing: str) -> StoreUnavailable:
    """What the Core is told of an error of SQLite: that the store cannot do it now, or refuses it for good."""
    kind = StoreRefused if isinstance(error, _REFUSALS) else StoreUnavailable
    return kind(f"the store cannot {doing}: {error}")


def connect(path: Path, *, make: bool = True) -> apsw.Connection:
    """A connection whose commits are on disk; to a new file if there is none and one is to be made."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE * make)
    connection.set_busy_timeout(PATIENCE_MS)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """Write all or nothing. It waits for its turn at the start: a transaction that only then begins to write cannot."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
