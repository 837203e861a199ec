"""The process that writes to a PostgreSQL database for a Core."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial

from cerebelum_core.store.child import Begin, End, work
from cerebelum_core.store.postgres_address import PostgresAddress
from cerebelum_core.store.postgres_batch import BatchWriter
from cerebelum_core.store.postgres_patience import Patience
from cerebelum_core.store.rows import Row
from cerebelum_core.store.writer import MAX_BATCH


@contextmanager
def _opened(conninfo: str, shown: str, patience_s: float, epoch: int) -> Iterator[Begin[Row]]:
    patience = Patience(patience_s)
    threading.Thread(target=lambda: asyncio.run(patience.watch()), daemon=True).start()
    connect = partial(PostgresAddress(conninfo, shown).connect, patience)
    with closing(BatchWriter(connect, patience, epoch)) as writer:

        def begin(appends: Sequence[Row], require_core: Callable[[], None]) -> End:
            require_core()
            return writer.begin(appends)

        yield begin


if __name__ == "__main__":
    work(_opened, MAX_BATCH, ahead=2)
