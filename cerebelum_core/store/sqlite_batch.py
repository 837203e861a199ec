"""Many appends in few statements.

A statement of its own for each row costs the machine little more, but the writer's thread would have to wait for the
interpreter's lock after every one of them, while the loop's thread is busy; so the rows of a batch go in together, and
SQLite works through them while Python does something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache

import apsw

from cerebelum_core.errors import VersionConflict
from cerebelum_core.store import sqlite_statements as sql
from cerebelum_core.store.rows import HEAD_CELLS, AppendRows, Cell

_MOST_ROWS = 256
"""In one statement: apsw keeps no longer ones prepared."""
_EVENT_CELLS = 4


def write_all(connection: apsw.Connection, appends: Sequence[AppendRows]) -> bool:
    """Write appends together. False: not all histories are as long as they expect; then undo what it did."""
    begun = [append.head for append in appends if append.expected_version == 0]
    moved = [append.head for append in appends if append.expected_version != 0]
    if _written(connection, _begin, begun) < len(begun) or _written(connection, _move, moved) < len(moved):
        return False
    events = [event for append in appends for event in append.events]
    return _written(connection, _insert, events) == len(events)


def write_alone(connection: apsw.Connection, append: AppendRows) -> None:
    """Write one append.

    Raises:
        VersionConflict: the history is not as long as it expects; nothing is written.
    """
    statement = _begin(1) if append.expected_version == 0 else _move(1)
    connection.execute(statement, append.head)
    if connection.changes() == 0:
        raise VersionConflict(f"execution '{append.execution_id}' is not at version {append.expected_version} any more")
    connection.executemany(_insert(1), append.events)


def _written(connection: apsw.Connection, statement: Callable[[int], str], rows: Sequence[Sequence[Cell]]) -> int:
    """How many of the rows took effect."""
    written = at = 0
    for count in _sizes(len(rows)):
        cells = [cell for row in rows[at : at + count] for cell in row]
        connection.execute(statement(count), cells)
        written += connection.changes()
        at += count
    return written


def _sizes(count: int) -> Iterator[int]:
    """Powers of two, so that there are few statements to prepare."""
    size = _MOST_ROWS
    while count:
        while size > count:
            size //= 2
        yield size
        count -= size


@cache
def _begin(rows: int) -> str:
    return sql.INSERT_HEADS.format(rows=_values(len(HEAD_CELLS), rows))


@cache
def _move(rows: int) -> str:
    return sql.UPDATE_HEADS.format(rows=_values(len(HEAD_CELLS), rows))


@cache
def _insert(rows: int) -> str:
    return sql.INSERT_EVENTS.format(rows=_values(_EVENT_CELLS, rows))


def _values(cells: int, rows: int) -> str:
    row = f"({', '.join('?' * cells)})"
    return ", ".join([row] * rows)
