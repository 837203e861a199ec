"""Batches of appends on PostgreSQL: one statement for those that begin, one for those that go on, one commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import LiteralString

import psycopg

from cerebelum_core.errors import OwnershipLost, StoreUnavailable, VersionConflict
from cerebelum_core.store import postgres_statements as sql
from cerebelum_core.store.postgres_patience import Patience
from cerebelum_core.store.records import Append, Outcome
from cerebelum_core.store.rows import HEAD_CELLS, AppendRows, Cell, append_rows

_TRIES = 3
"""How often an append is tried of which the server says that it was rolled back for another's sake."""


def checked_rows(append: Append) -> AppendRows:
    """The rows of an append.

    Raises:
        StoreUnavailable: the database cannot keep such a text, and would refuse the whole batch.
    """
    head = append.head
    if "\0" in append.execution_id + head.workflow + head.blueprint_hash + head.step_name:
        raise StoreUnavailable(
            f"execution {append.execution_id!r} cannot be written: PostgreSQL keeps no text with NUL"
        )
    return append_rows(append)


class BatchWriter:
    """Writes batches on a connection of its own, which it opens anew when it breaks."""

    def __init__(self, connect: Callable[[], psycopg.Connection], patience: Patience, epoch: int) -> None:
        self._connect = connect
        self._patience = patience
        self._connection: psycopg.Connection | None = None
        self._epoch = epoch

    def commit(self, batch: Sequence[AppendRows]) -> Sequence[Outcome]:
        """Write what can be written, in one transaction when no two are for the same execution."""
        outcomes: dict[int, Outcome] = {}
        for places in _rounds(batch):
            outcomes |= zip(places, self._round([batch[place] for place in places]), strict=True)
        return [outcomes[place] for place in range(len(batch))]

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _round(self, appends: list[AppendRows]) -> list[Outcome]:
        try:
            return self._written(appends)
        except OwnershipLost as error:
            return [error] * len(appends)
        except psycopg.Error as error:
            if not _rolled_back(error):
                self.close()
                return [StoreUnavailable(f"the outcome of a write is unknown: {_said(error)}")] * len(appends)
            return [self._alone(append) for append in appends]

    def _alone(self, append: AppendRows) -> Outcome:
        """One append by itself: another one in its batch, or another transaction, made the server refuse."""
        said = ""
        for _ in range(_TRIES):
            try:
                return self._written([append])[0]
            except OwnershipLost as error:
                return error
            except psycopg.Error as error:
                said = _said(error)
                if not _rolled_back(error):
                    self.close()
                    break
        return StoreUnavailable(f"execution '{append.execution_id}' cannot be written: {said}")

    def _written(self, appends: list[AppendRows]) -> list[Outcome]:
        if self._connection is None:
            self._connection = self._connect()
        begun = [append for append in appends if append.expected_version == 0]
        moved = [append for append in appends if append.expected_version != 0]
        work = [(sql.BEGIN_EXECUTIONS, sql.BEGIN_COLUMNS, begun), (sql.MOVE_EXECUTIONS, sql.MOVE_COLUMNS, moved)]
        # Both statements of a pipeline are one transaction and one round trip.
        with self._patience.over(self._connection), self._connection.pipeline() if begun and moved else nullcontext():
            cursors = [self._execute(self._connection, *each) for each in work if each[-1]]
        won = {execution_id for cursor in cursors for execution_id in self._won(cursor)}
        return [None if append.execution_id in won else _conflict(append) for append in appends]

    def _execute(
        self,
        connection: psycopg.Connection,
        statement: LiteralString,
        columns: Mapping[str, Callable[[list[Cell]], str]],
        appends: list[AppendRows],
    ) -> psycopg.Cursor[tuple[int, str | None]]:
        places = {name: HEAD_CELLS.index(name) for name in columns}
        heads = {name: array([append.head[places[name]] for append in appends]) for name, array in columns.items()}
        events = [event for append in appends for event in append.events]
        ids, versions, shards, data = map(list, zip(*events, strict=True))
        return connection.execute(
            statement,
            {
                **heads,
                "epoch": self._epoch,
                "event_execution_ids": sql.text_array(ids),
                "event_versions": sql.number_array(versions),
                "event_shards": sql.number_array(shards),
                "event_data": data,
            },
            prepare=True,
        )

    def _won(self, cursor: psycopg.Cursor[tuple[int, str | None]]) -> Iterator[str]:
        rows = cursor.fetchall()
        if not rows:
            raise OwnershipLost(f"a newer Core owns the store; this one is of epoch {self._epoch}")
        return (execution_id for _, execution_id in rows if execution_id is not None)


def _rounds(batch: Sequence[AppendRows]) -> Iterator[list[int]]:
    """Places in the batch, so that each execution is in a round once; almost always there is one round."""
    left = list(range(len(batch)))
    while left:
        taken: dict[str, int] = {}
        for place in left:
            taken.setdefault(batch[place].execution_id, place)
        yield list(taken.values())
        left = sorted(set(left) - set(taken.values()))


def _conflict(append: AppendRows) -> VersionConflict:
    return VersionConflict(f"execution '{append.execution_id}' is not at version {append.expected_version} any more")


def _rolled_back(error: psycopg.Error) -> bool:
    """Whether the server itself said that it did not commit. A connection that broke says nothing."""
    if isinstance(error, psycopg.errors.StatementCompletionUnknown):
        return False
    known = (psycopg.errors.TransactionRollback, psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError)
    return isinstance(error, known)


def _said(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
