"""The process that writes to a PostgreSQL database for a Core."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

from cerebelum_core.store.apart import Commit, work
from cerebelum_core.store.postgres_address import PostgresAddress
from cerebelum_core.store.postgres_batch import BatchWriter
from cerebelum_core.store.postgres_patience import Patience
from cerebelum_core.store.rows import Row
from cerebelum_core.store.writer import MAX_BATCH


@contextmanager
def _opened(conninfo: str, shown: str, patience_s: float, epoch: int) -> Iterator[Commit[Row]]:
    patience = Patience(patience_s)
    threading.Thread(target=lambda: asyncio.run(patience.watch()), daemon=True).start()
    connect = partial(PostgresAddress(conninfo, shown).connect, patience)
    with closing(BatchWriter(connect, patience, epoch)) as writer:
        yield writer.commit


if __name__ == "__main__":
    work(_opened, MAX_BATCH)
