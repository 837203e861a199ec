"""Batches of appends on PostgreSQL: one statement for those that begin, one for those that go on, one commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import psycopg
from psycopg.pq.abc import PGresult

from cerebelum_core.errors import OwnershipLost, StoreUnavailable, VersionConflict
from cerebelum_core.store import postgres_statements as sql
from cerebelum_core.store.postgres_line import Line, bytes_array
from cerebelum_core.store.postgres_patience import Patience
from cerebelum_core.store.records import Append, Outcome
from cerebelum_core.store.rows import APPEND_CELLS, Cell, Row, cells_of, number, octets, text

_TRIES = 3
"""How often an append is tried of which the server says that it was rolled back for another's sake."""
_CELLS = len(APPEND_CELLS)
_ID, _SHARD, _VERSION, _EXPECTED = range(4)
_DATA = _CELLS - 1


def checked_cells(append: Append) -> Row:
    """The cells of an append.

    Raises:
        StoreUnavailable: the database cannot keep such a text, and would refuse the whole batch.
    """
    head = append.head
    if "\0" in append.execution_id + head.workflow + head.blueprint_hash + head.step_name:
        raise StoreUnavailable(
            f"execution {append.execution_id!r} cannot be written: PostgreSQL keeps no text with NUL"
        )
    return cells_of(append)


class BatchWriter:
    """Writes batches on a connection of its own, which it opens anew when it breaks."""

    def __init__(self, connect: Callable[[], psycopg.Connection], patience: Patience, epoch: int) -> None:
        self._connect = connect
        self._patience = patience
        self._line: Line | None = None
        self._epoch = epoch

    def commit(self, batch: Sequence[Row]) -> Sequence[Outcome]:
        """Write what can be written, in one transaction when no two are for the same execution."""
        outcomes: dict[int, Outcome] = {}
        for places in _rounds(batch):
            outcomes |= zip(places, self._round([batch[place] for place in places]), strict=True)
        return [outcomes[place] for place in range(len(batch))]

    def close(self) -> None:
        """Let go of the connection."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _round(self, appends: list[Row]) -> list[Outcome]:
        try:
            return self._written(appends)
        except OwnershipLost as error:
            return [error] * len(appends)
        except psycopg.Error as error:
            if not _rolled_back(error):
                self.close()
                return [StoreUnavailable(f"the outcome of a write is unknown: {_said(error)}")] * len(appends)
            return [self._alone(append) for append in appends]

    def _alone(self, append: Row) -> Outcome:
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
        return StoreUnavailable(f"execution {text(append)!r} cannot be written: {said}")

    def _written(self, appends: list[Row]) -> list[Outcome]:
        begun = [append for append in appends if _expected(append) == 0]
        moved = [append for append in appends if _expected(append) != 0]
        work = [(sql.BEGIN, self._begins(begun))] if begun else []
        if moved:
            work.append((sql.MOVE, self._moves(moved)))
        if self._line is None:
            self._line = self._opened()
        with self._patience.over(self._line.connection):
            results = self._line.run(work)
        won = {execution_id for result in results for execution_id in self._won(result)}
        return [None if text(append).encode() in won else _conflict(append) for append in appends]

    def _opened(self) -> Line:
        connection = self._connect()
        try:
            with self._patience.over(connection):
                return Line(connection, (sql.BEGIN, sql.MOVE))
        except BaseException:
            connection.close()
            raise

    def _begins(self, appends: list[Row]) -> dict[str, bytes]:
        first = list(zip(*appends, strict=False))
        return self._heads(first, sql.BEGIN_COLUMNS) | _events(appends, 0)

    def _moves(self, appends: list[Row]) -> dict[str, bytes]:
        first = list(zip(*appends, strict=False))
        data = {"data": bytes_array(first[_DATA])}
        return self._heads(first, sql.MOVE_COLUMNS) | data | _events(appends, _CELLS)

    def _heads(
        self, first: Sequence[Sequence[Cell]], columns: Mapping[str, Callable[[Sequence[Cell]], str]]
    ) -> dict[str, bytes]:
        """The columns of all first rows."""
        heads = {name: array(first[APPEND_CELLS.index(name)]).encode() for name, array in columns.items()}
        return heads | {"epoch": str(self._epoch).encode()}

    def _won(self, result: PGresult) -> Iterator[bytes]:
        if not result.ntuples:
            raise OwnershipLost(f"a newer Core owns the store; this one is of epoch {self._epoch}")
        found = (result.get_value(row, 1) for row in range(result.ntuples))
        return (execution_id for execution_id in found if execution_id is not None)


def _events(appends: Sequence[Row], begin: int) -> dict[str, bytes]:
    """The columns of the rows of appends from this cell on."""
    ids: list[Cell] = []
    shards: list[Cell] = []
    versions: list[Cell] = []
    data: list[bytes] = []
    for append in appends:
        for at in range(begin, len(append), _CELLS):
            ids.append(append[_ID])
            shards.append(append[_SHARD])
            # A first row has the version that its execution gets, and an event that follows the one it must have now.
            versions.append(append[at + _VERSION] if at else number(append[_EXPECTED:]) + 1)
            data.append(octets(append[at + _DATA : at + _CELLS]))
    return {
        "event_execution_ids": sql.text_array(ids).encode(),
        "event_versions": sql.number_array(versions).encode(),
        "event_shards": sql.number_array(shards).encode(),
        "event_data": bytes_array(data),
    }


def _rounds(batch: Sequence[Row]) -> Iterator[list[int]]:
    """Places in the batch, so that each execution is in a round once; almost always there is one round."""
    left = list(range(len(batch)))
    while left:
        taken: dict[str, int] = {}
        for place in left:
            taken.setdefault(text(batch[place]), place)
        yield list(taken.values())
        left = sorted(set(left) - set(taken.values()))


def _expected(append: Row) -> int:
    return number(append[_EXPECTED:])


def _conflict(append: Row) -> VersionConflict:
    return VersionConflict(f"execution {text(append)!r} is not at version {_expected(append)} any more")


def _rolled_back(error: psycopg.Error) -> bool:
    """Whether the server itself said that it did not commit. A connection that broke says nothing."""
    if isinstance(error, psycopg.errors.StatementCompletionUnknown):
        return False
    known = (psycopg.errors.TransactionRollback, psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError)
    return isinstance(error, known)


def _said(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
