"""A server that does not answer is given up: its connection is cut, which wakes the thread that waits for it.

A process that was stopped, or a machine that hangs, keeps its sockets open; no keepalive notices that. What was written
on such a connection is of unknown outcome, like on any other that broke.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

PATIENCE_S = 15.0
"""How long a statement may take."""
_LOOKS = 10
"""How often it is looked at meanwhile."""


class Patience:
    """Knows who waits for the server, and for how long."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._looks: dict[psycopg.Connection, int] = {}

    @contextmanager
    def over(self, connection: psycopg.Connection) -> Iterator[None]:
        """Within this block the server answers in time, or the connection breaks. In any thread.

        Raises:
            psycopg.OperationalError: it did not answer.
        """
        self._looks[connection] = 0
        try:
            yield
        except psycopg.OperationalError:
            if self._looks[connection] >= _LOOKS:
                raise psycopg.OperationalError(f"the server did not answer within {self._patience_s:g} s") from None
            raise
        finally:
            with self._lock:
                del self._looks[connection]

    async def watch(self) -> None:
        """Cut connections whose time is over, until cancelled."""
        while True:
            await asyncio.sleep(self._patience_s / _LOOKS)
            # Nobody closes a connection meanwhile, so a descriptor is still what it was.
            with self._lock:
                for connection, looks in list(self._looks.items()):
                    self._looks[connection] = looks + 1
                    if looks + 1 == _LOOKS:
                        _cut(connection)


def _cut(connection: psycopg.Connection) -> None:
    with suppress(OSError, psycopg.OperationalError), socket.socket(fileno=os.dup(connection.fileno())) as double:
        double.shutdown(socket.SHUT_RDWR)
