"""Callers who wait until their connection takes another call: whoever comes first is first."""

from __future__ import annotations

import asyncio
from collections import deque

from cerebelum_codegen.runtime.http2.connection import Connection
from cerebelum_codegen.runtime.rpc.errors import Unprocessed


class Line:
    """Those who wait for one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed = False

    @property
    def vacant(self) -> bool:
        """Whether another call may begin now."""
        return self._free > 0 and not self._waiting and not self._closed

    async def place(self) -> None:
        """Return when another call may begin.

        Raises:
            Unprocessed: none may begin any more.
        """
        first = True
        while self._free <= 0 or (first and self._waiting):
            if self._closed:
                raise Unprocessed("the connection ended before the call began")
            turn = asyncio.get_running_loop().create_future()
            # Whoever was called up, and has to wait again, stays in front.
            (self._waiting.append if first else self._waiting.appendleft)(turn)
            first = False
            try:
                await turn
            finally:
                if turn.cancelled():
                    self.call_up()

    def call_up(self) -> None:
        """Let as many go on as there is room for."""
        free = self._free
        while self._waiting and free > 0:
            free -= self._wake()

    def close(self) -> None:
        """Let none begin any more."""
        self._closed = True
        while self._waiting:
            self._wake()

    @property
    def _free(self) -> int:
        connection = self._connection
        return 0 if connection.held or self._closed else connection.peer_max_streams - len(connection.streams)

    def _wake(self) -> int:
        turn = self._waiting.popleft()
        if turn.done():
            return 0
        turn.set_result(None)
        return 1
