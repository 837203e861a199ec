"""Stores in databases of PostgreSQL, and what befalls their connections."""

from __future__ import annotations

import pytest

from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.clock import SystemClock
from cerebelum_core.store import EventStore, open_store
from tests.postgresql import run


class LaterClock:
    """The system's clock, ahead by so much."""

    def __init__(self, ahead_s: int) -> None:
        self._ahead_ns = ahead_s * 1_000_000_000

    def now(self) -> Timestamp:
        return Timestamp.from_ns(SystemClock().now().to_ns() + self._ahead_ns)


def opened(url: str, node_id: str = "node", *, ahead_s: int = 0, apart: bool = False) -> EventStore:
    return open_store(url, node_id=node_id, clock=LaterClock(ahead_s), apart=apart)


apart_or_not = pytest.mark.parametrize("apart", [False, True], ids=["in a thread", "in a process"])


def kill_backends(url: str) -> None:
    run(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
