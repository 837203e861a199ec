from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgresql import PostgresServer, running


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresServer]:
    """A PostgreSQL of this session, started when the first test asks for it."""
    with running() as server:
        yield server
