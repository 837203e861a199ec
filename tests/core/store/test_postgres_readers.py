"""What a read of PostgreSQL says that brings nothing: whether the server is away, or will not have it."""

from __future__ import annotations

import pytest

from cerebelum_core.errors import StoreRefused
from cerebelum_core.store import WorkerRecord
from tests.core.store.appends import START, append
from tests.core.store.databases import opened
from tests.postgresql import PostgresServer, run


async def test_what_the_server_refuses_is_told_as_what_it_is_and_the_store_goes_on(postgresql: PostgresServer) -> None:
    url = postgresql.new_database()
    store = opened(url)
    await store.append(append("x", 0))
    run(url, "ALTER TABLE cerebelum.workers RENAME COLUMN registration TO other")
    with pytest.raises(StoreRefused, match='^the store refuses .*: column "registration" does not exist'):
        await store.workers()
    run(url, "ALTER TABLE cerebelum.workers RENAME COLUMN other TO registration")
    with pytest.raises(StoreRefused, match="NUL"):
        await store.put_worker(WorkerRecord(worker_id="w\0", registration=b"", seen_at=START))
    assert await store.workers() == []
    assert len(await store.read("x")) == 1
    await store.close()
