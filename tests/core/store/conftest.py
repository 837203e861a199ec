from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cerebelum_core.clock import SystemClock
from cerebelum_core.store import EventStore, open_store
from tests.postgresql import PostgresServer


@pytest.fixture(params=["memory", "sqlite", "sqlite in two processes", "postgresql", "postgresql in two processes"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EventStore]:
    """Every store in turn: one suite says what a store is."""
    match request.param:
        case "memory":
            url = "memory://"
        case "sqlite" | "sqlite in two processes":
            url = f"sqlite:///{tmp_path}/core.db"
        case _:
            server: PostgresServer = request.getfixturevalue("postgresql")
            url = server.new_database()
    opened = open_store(url, node_id="node", clock=SystemClock(), apart="two processes" in request.param)
    yield opened
    await opened.close()
