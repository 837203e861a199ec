"""Reads on PostgreSQL: a few threads, each with a connection of its own. A read that met a broken one is read again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import LiteralString

import psycopg

from cerebelum_core.errors import StoreRefused, StoreUnavailable
from cerebelum_core.store.postgres_patience import Patience
from cerebelum_core.store.rows import Cell, Row

READERS = 4
_REFUSALS = (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError, psycopg.NotSupportedError)
"""What the server, or the client library, says of a statement, and of no outage."""


class Readers:
    """So many reads at once; the others queue."""

    def __init__(self, connect: Callable[[], psycopg.Connection], patience: Patience) -> None:
        self._connect = connect
        self._patience = patience
        self._mine = threading.local()
        self._open: set[psycopg.Connection] = set()
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="cerebelum-store-reader")

    async def run(
        self, statement: LiteralString, parameters: Sequence[Cell] | Mapping[str, Cell], *, again: bool = True
    ) -> list[Row]:
        """The rows of a statement. `again`: it may be run twice.

        Raises:
            StoreUnavailable: the server does not answer.
            StoreRefused: it refuses the statement.
        """

        def work() -> list[Row]:
            for last in (not again, True):
                connection = self._connection()
                try:
                    with self._patience.over(connection):
                        return connection.execute(statement, parameters, binary=True).fetchall()
                except psycopg.OperationalError:
                    self._drop(connection)
                    if last:
                        raise
            raise AssertionError("unreachable")

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except _REFUSALS as error:
            raise StoreRefused(f"the store refuses what was asked of it, and would again: {_said(error)}") from None
        except psycopg.Error as error:
            raise StoreUnavailable(f"the store cannot be reached: {_said(error)}") from None

    async def close(self) -> None:
        """Finish what is being read, and let go of the connections."""
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)
        for connection in self._open:
            connection.close()

    def _connection(self) -> psycopg.Connection:
        connection: psycopg.Connection | None = getattr(self._mine, "connection", None)
        if connection is None:
            connection = self._connect()
            self._open.add(connection)
            self._mine.connection = connection
        return connection

    def _drop(self, connection: psycopg.Connection) -> None:
        self._mine.connection = None
        self._open.discard(connection)
        connection.close()


def _said(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
