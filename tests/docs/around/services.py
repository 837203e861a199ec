"""What stands around the blocks of docs/services.md."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

from cerebelum_codegen.runtime.rpc import Service, client_tls, server_tls


class Store:
    def __init__(self) -> None:
        self.kept: list[list[str]] = []

    async def add(self, items: list[str]) -> str:
        self.kept.append(items)
        return str(len(self.kept))


store = Store()


def observe(route: str, elapsed_s: float) -> None:
    """Where times would be kept."""


async def main() -> str:
    # block 1
    server.close()
    await server.wait_closed()
    # block 2
    # block 3
    # block 4
    # block 5
    return placed.order_id
