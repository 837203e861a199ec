from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cerebelum_core.clock import SystemClock
from cerebelum_core.store import EventStore, open_store


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EventStore]:
    """Every store in turn: one suite says what a store is."""
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/core.db"
    opened = open_store(url, node_id="node", clock=SystemClock())
    yield opened
    await opened.close()
