"""The process that writes to a SQLite file for a Core."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import apsw

from cerebelum_core.store.child import Begin, End, work
from cerebelum_core.store.records import Outcome
from cerebelum_core.store.rows import Write
from cerebelum_core.store.sqlite_writer import AT_ONCE, SqliteWriter, connect
from cerebelum_core.store.writer import outcomes_of


@contextmanager
def _opened(path: str, epoch: int) -> Iterator[Begin[Write]]:
    with closing(connect(Path(path), make=False)) as connection:
        writer = SqliteWriter(connection, epoch)

        def begin(writes: Sequence[Write], require_core: Callable[[], None]) -> End:
            def commit(part: Sequence[Write]) -> Sequence[Outcome]:
                require_core()
                return writer.commit(part)

            return partial(outcomes_of, commit, writes)

        yield begin


if __name__ == "__main__":
    apsw.shutdown()  # to be told how it is to work, of which nothing has begun yet
    apsw.config(apsw.SQLITE_CONFIG_MEMSTATUS, False)  # nobody asks how much memory is in use
    work(_opened, AT_ONCE)
