"""The process that writes to a SQLite file for a Core."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw

from cerebelum_core.store.apart import Commit, work
from cerebelum_core.store.rows import Write
from cerebelum_core.store.sqlite_writer import AT_ONCE, SqliteWriter, connect


@contextmanager
def _opened(path: str, epoch: int) -> Iterator[Commit[Write]]:
    with closing(connect(Path(path), make=False)) as connection:
        yield SqliteWriter(connection, epoch).commit


if __name__ == "__main__":
    apsw.shutdown()  # to be told how it is to work, of which nothing has begun yet
    apsw.config(apsw.SQLITE_CONFIG_MEMSTATUS, False)  # nobody asks how much memory is in use
    work(_opened, AT_ONCE)
