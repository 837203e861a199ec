"""Group commit: one thread writes, and it takes whatever has queued up when it is free.

There is no timer and no linger: under load the queue is the batch, alone a write goes at once.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

import apsw

from cerebelum_core.errors import StoreError, StoreUnavailable

MAX_BATCH = 1_000
"""Writes in one transaction at the most, so that the first of them does not wait for ever."""


@dataclass(frozen=True, slots=True)
class Write:
    """One unit of work in a batch: all of it happens or, when it raises, none."""

    run: Callable[[apsw.Connection], None]
    done: asyncio.Future[None]


class GroupCommit:
    """Runs writes on a connection of its own, many in one transaction."""

    def __init__(self, connection: apsw.Connection, before_batch: Callable[[apsw.Connection], None]) -> None:
        self._connection = connection
        self._before_batch = before_batch
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[Write | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="cerebelum-store-writer", daemon=True)
        self._thread.start()

    async def submit(self, run: Callable[[apsw.Connection], None]) -> None:
        """Run a write and return when it is durable.

        Raises:
            StoreError: what `run` raised, or StoreUnavailable.
        """
        if self._closed:
            raise StoreUnavailable("the store is closed")
        done: asyncio.Future[None] = self._loop.create_future()
        self._queue.put(Write(run, done))
        # A caller that goes away does not take its write with it.
        await asyncio.shield(done)

    async def close(self) -> None:
        """Write what is queued, then stop the thread."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            await self._loop.run_in_executor(None, self._thread.join)

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            outcomes = self._commit(batch)
            self._loop.call_soon_threadsafe(_tell, batch, outcomes)

    def _next_batch(self) -> list[Write] | None:
        first = self._queue.get()
        if first is None:
            return None
        batch = [first]
        while len(batch) < MAX_BATCH:
            try:
                write = self._queue.get_nowait()
            except queue.Empty:
                break
            if write is None:
                self._queue.put(None)
                break
            batch.append(write)
        return batch

    def _commit(self, batch: list[Write]) -> list[StoreError | None]:
        try:
            return self._transaction(batch)
        except StoreError as error:
            return [error] * len(batch)
        except apsw.Error as error:
            return [StoreUnavailable(f"the store cannot write: {error}")] * len(batch)

    def _transaction(self, batch: list[Write]) -> list[StoreError | None]:
        outcomes: list[StoreError | None] = []
        with self._connection:
            self._before_batch(self._connection)
            outcomes += [self._attempt(write) for write in batch]
        return outcomes

    def _attempt(self, write: Write) -> StoreError | None:
        """Run one write. A refusal is its own alone; it comes before it has changed anything."""
        try:
            write.run(self._connection)
        except StoreError as error:
            return error
        return None


def _tell(batch: list[Write], outcomes: list[StoreError | None]) -> None:
    for write, outcome in zip(batch, outcomes, strict=True):
        if write.done.done():
            continue
        if outcome is None:
            write.done.set_result(None)
        else:
            write.done.set_exception(outcome)
            write.done.exception()  # a caller that has gone away leaves nobody to look at it
