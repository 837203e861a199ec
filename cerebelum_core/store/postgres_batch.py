"""Batches of appends on PostgreSQL: one statement for those that begin, one for those that go on, one commit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import cast

import psycopg
from psycopg.pq.abc import PGresult

from cerebelum_core.errors import OwnershipLost, StoreRefused, StoreUnavailable, VersionConflict
from cerebelum_core.store import postgres_statements as sql
from cerebelum_core.store.postgres_line import Line, Sent, Statement, bytes_array
from cerebelum_core.store.postgres_patience import Patience
from cerebelum_core.store.records import Append, Outcome
from cerebelum_core.store.rows import APPEND_CELLS, Cell, Row, cells_of, number, octets, text
from cerebelum_core.store.writer import outcomes_of

_TRIES = 3
"""How often an append is tried of which the server says that it was rolled back for another's sake."""
_REFUSALS = (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError)
"""What the server says of a write, and would say again."""
_CELLS = len(APPEND_CELLS)
_ID, _SHARD, _VERSION, _EXPECTED = range(4)
_STATUS = APPEND_CELLS.index("status")
_DATA = _CELLS - 1


def checked_cells(append: Append) -> Row:
    """The cells of an append.

    Raises:
        StoreRefused: the database cannot keep such a text, and would refuse the whole batch.
    """
    head = append.head
    if "\0" in append.execution_id + head.workflow + head.blueprint_hash + head.step_name:
        raise StoreRefused(f"execution {append.execution_id!r} cannot be written: PostgreSQL keeps no text with NUL")
    return cells_of(append)


class BatchWriter:
    """Writes batches on a connection of its own, which it opens anew when it breaks."""

    def __init__(self, connect: Callable[[], psycopg.Connection], patience: Patience, epoch: int) -> None:
        self._connect = connect
        self._patience = patience
        self._line: Line | None = None
        self._begun: deque[set[str]] = deque()
        """Whose appends are in each of the batches that have begun and not ended."""
        self._epoch = epoch

    def commit(self, batch: Sequence[Row]) -> Sequence[Outcome]:
        """Write what can be written, in one transaction when no two are for the same execution."""
        return self.begin(batch)()

    def begin(self, batch: Sequence[Row]) -> Callable[[], Sequence[Outcome]]:
        """The same, but only sent; what this returns waits for what became of it. Batches end in their order."""
        ids = {text(append) for append in batch}
        # Those of one execution come one after the other, and what was sent cannot be taken back when the first fails.
        is_alone = len(ids) == len(batch) and all(ids.isdisjoint(others) for others in self._begun)
        sent: Sent | None = None
        with suppress(UnicodeError):  # one of them cannot be sent, and is told so when its turn comes
            if is_alone and self._line is not None:
                sent = self._line.send(self._work(batch))
        self._begun.append(ids)
        return partial(self._end, batch, sent)

    def close(self) -> None:
        """Let go of the connection."""
        if self._line is not None:
            self._drop(self._line)

    def _end(self, batch: Sequence[Row], sent: Sent | None) -> Sequence[Outcome]:
        try:
            return self._in_rounds(batch) if sent is None else self._round(batch, sent)
        finally:
            self._begun.popleft()

    def _in_rounds(self, batch: Sequence[Row]) -> Sequence[Outcome]:
        outcomes: dict[int, Outcome] = {}
        for places in _rounds(batch):
            # One that cannot be sent sinks alone, and none is tried again that an earlier round has written.
            outcomes |= zip(places, outcomes_of(self._round, [batch[place] for place in places]), strict=True)
        return [outcomes[place] for place in range(len(batch))]

    def _round(self, appends: Sequence[Row], sent: Sent | None = None) -> list[Outcome]:
        try:
            return self._written(appends, sent or self._sent(appends))
        except OwnershipLost as lost:
            return [lost] * len(appends)
        except psycopg.Error as error:
            # What a server said while a connection was opened it would say to each append by itself as well.
            if self._line is None or not _rolled_back(error):
                return [StoreUnavailable(f"the outcome of a write is unknown: {_said(error)}")] * len(appends)
            return [self._alone(append) for append in appends]

    def _alone(self, append: Row) -> Outcome:
        """One append by itself: another one in its batch, or another transaction, made the server refuse."""
        refusal = StoreUnavailable("")
        for _ in range(_TRIES):
            try:
                return self._written([append], self._sent([append]))[0]
            except OwnershipLost as lost:
                return lost
            except psycopg.Error as error:
                kind = StoreRefused if isinstance(error, _REFUSALS) else StoreUnavailable
                refusal = kind(f"execution {text(append)!r} cannot be written: {_said(error)}")
                if not _rolled_back(error):
                    break
        return refusal

    def _sent(self, appends: Sequence[Row]) -> Sent:
        if self._line is None:
            self._line = self._opened()
        return self._line.send(self._work(appends))

    def _written(self, appends: Sequence[Row], sent: Sent) -> list[Outcome]:
        try:
            with self._patience.over(sent.line.connection):
                results = sent.line.results(sent)
        except psycopg.Error as error:
            if not _rolled_back(error):
                self._drop(sent.line)
            raise
        won: set[bytes] = set()
        for part, result in zip(filter(None, _by_kind(appends)), results, strict=True):
            won |= self._won(part, result)
        return [None if text(append).encode() in won else _conflict(append) for append in appends]

    def _drop(self, line: Line) -> None:
        line.close()
        if line is self._line:
            self._line = None

    def _opened(self) -> Line:
        connection = self._connect()
        try:
            with self._patience.over(connection):
                return Line(connection, (sql.BEGIN, sql.MOVE))
        except BaseException:
            connection.close()
            raise

    def _work(self, appends: Sequence[Row]) -> list[tuple[Statement, dict[str, bytes]]]:
        begun, moved = _by_kind(appends)
        work: list[tuple[Statement, dict[str, bytes]]] = []
        if begun:
            work.append((sql.BEGIN, self._count(begun) | _columns(begun, sql.BEGIN_COLUMNS) | _events(begun, 0)))
        if moved:
            # Those with more to tell than a step come first: arrays that end sooner than others go on with NULL.
            told = [append for append in moved if append[_STATUS] is not None]
            moved = told + [append for append in moved if append[_STATUS] is None]
            heads = _columns(moved, sql.MOVE_COLUMNS) | _columns(told, sql.TOLD_COLUMNS)
            data = {"data": bytes_array([cast("bytes", append[_DATA]) for append in moved])}
            work.append((sql.MOVE, self._count(moved) | heads | data | _events(moved, _CELLS)))
        return work

    def _count(self, appends: Sequence[Row]) -> dict[str, bytes]:
        return {"epoch": str(self._epoch).encode(), "appends": str(len(appends)).encode()}

    def _won(self, appends: Sequence[Row], result: PGresult) -> set[bytes]:
        """The executions of those that are written."""
        if not result.ntuples:
            raise OwnershipLost(f"a newer Core owns the store; this one is of epoch {self._epoch}")
        if result.get_value(0, 0) == str(len(appends)).encode():
            return {text(append).encode() for append in appends}
        found = [result.get_value(row, 1) for row in range(result.ntuples)]
        return {execution_id for execution_id in found if execution_id is not None}


def _by_kind(appends: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Those that begin an execution, and those that go on with one."""
    begun = [append for append in appends if _expected(append) == 0]
    return begun, [append for append in appends if _expected(append) != 0]


def _columns(appends: Sequence[Row], columns: Mapping[str, Callable[[Sequence[Cell]], str]]) -> dict[str, bytes]:
    """Cells of all first rows."""
    first = list(zip(*appends, strict=False))
    return {name: array(first[APPEND_CELLS.index(name)] if first else ()).encode() for name, array in columns.items()}


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
    # To psycopg a deadlock and the like, which are the class 40, are of the same kind as an outage.
    return isinstance(error, _REFUSALS) or (error.sqlstate or "").startswith("40")


def _said(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
