from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgresql import PostgresServer, running


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A PostgreSQL of this session, started when the first test asks for it."""
    with running(tmp_path_factory.mktemp("postgresql")) as server:
        yield server
