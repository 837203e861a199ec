"""Many appends in one statement, which begins, checks, writes and commits by itself.

An event is a row of the view APPENDS, and triggers spread it over the tables. So the writer's thread waits for the
interpreter's lock once a batch and not after each statement, while the loop's thread is busy; and SQLite, with a
statement for each row and a journal for each statement less, needs half the time. An append comes as the cells that are
bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import apsw

from cerebelum_core.errors import VersionConflict
from cerebelum_core.store import sqlite_statements as sql
from cerebelum_core.store.rows import APPEND_CELLS, Cell, Row, number, text

MOST_ROWS = 500
"""In one statement: apsw keeps no longer ones prepared."""
_CELLS = len(APPEND_CELLS)
_BLANK: Row = (None,) * _CELLS


class Refused(Exception):
    """Not all histories are as long as their appends expect, or another Core owns the store. Nothing is written."""


def write(connection: apsw.Connection, epoch: int, appends: Sequence[Row]) -> None:
    """Write appends in one statement or, when they do not fit, in several of the transaction that is open.

    Raises:
        Refused: nothing is written.
    """
    cells: list[Cell] = [None, None, epoch, sql.OWNER, *_BLANK[4:]]
    for append in appends:
        cells += append
    try:
        for first in range(0, len(cells), MOST_ROWS * _CELLS):
            part = cells[first : first + MOST_ROWS * _CELLS]
            rows = len(part) // _CELLS
            part += _BLANK * (_size(rows) - rows)
            connection.execute(_insert(len(part) // _CELLS), part)
    except apsw.ConstraintError as error:
        if sql.REFUSED in str(error):
            raise Refused from None
        raise


def write_alone(connection: apsw.Connection, epoch: int, append: Row) -> None:
    """Write one append in the transaction that is open.

    Raises:
        VersionConflict: the history is not as long as it expects; nothing is written.
    """
    try:
        write(connection, epoch, [append])
    except Refused:
        raise VersionConflict(f"execution {text(append)!r} is not at version {number(append[3:4])} any more") from None


def fit(appends: Sequence[Row]) -> bool:
    """Whether appends fit into one statement."""
    return sum(map(len, appends)) < MOST_ROWS * _CELLS


def _size(count: int) -> int:
    """The next of some thirty sizes, so that there are few statements to prepare, and few rows that stay blank."""
    step = 1 << max((count - 1).bit_length() - 3, 0)
    return -(-count // step) * step


@cache
def _insert(rows: int) -> str:
    row = f"({','.join('?' * _CELLS)})"
    return sql.INSERT_APPENDS.format(rows=",".join([row] * rows))
