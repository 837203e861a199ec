"""Group commit: one thread writes, and it takes whatever has queued up when it is free.

There is no timer and no linger: under load the queue is the batch, alone a write goes at once.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from cerebelum_core.errors import StoreError, StoreUnavailable

_W = TypeVar("_W")

Outcome: TypeAlias = StoreError | None
"""What became of one write: None when it is durable."""

MAX_BATCH = 1_000
"""Writes in one transaction at the most, so that the first of them does not wait for ever."""


@dataclass(frozen=True, slots=True)
class _Queued(Generic[_W]):
    write: _W
    done: asyncio.Future[None]


class GroupCommit(Generic[_W]):
    """Hands writes to `commit`, as many at once as have queued up. It runs in a thread of its own.

    `commit` says what became of each write; one that is refused takes no other with it.
    """

    def __init__(self, commit: Callable[[Sequence[_W]], Sequence[Outcome]]) -> None:
        self._commit = commit
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Queued[_W] | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="cerebelum-store-writer", daemon=True)
        self._thread.start()

    async def submit(self, write: _W) -> None:
        """Return when a write is durable.

        Raises:
            StoreError: why it is not, or StoreUnavailable: nobody knows.
        """
        if self._closed:
            raise StoreUnavailable("the store is closed")
        done: asyncio.Future[None] = self._loop.create_future()
        self._queue.put(_Queued(write, done))
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
            try:
                outcomes = self._commit([queued.write for queued in batch])
            except Exception as error:
                outcomes = [StoreUnavailable(f"the store cannot write: {error!r}")] * len(batch)
            self._loop.call_soon_threadsafe(_tell, batch, outcomes)

    def _next_batch(self) -> list[_Queued[_W]] | None:
        first = self._queue.get()
        if first is None:
            return None
        batch = [first]
        while len(batch) < MAX_BATCH:
            try:
                queued = self._queue.get_nowait()
            except queue.Empty:
                break
            if queued is None:
                self._queue.put(None)
                break
            batch.append(queued)
        return batch


def _tell(batch: list[_Queued[_W]], outcomes: Sequence[Outcome]) -> None:
    for queued, outcome in zip(batch, outcomes, strict=True):
        if queued.done.done():
            continue
        if outcome is None:
            queued.done.set_result(None)
        else:
            queued.done.set_exception(outcome)
            queued.done.exception()  # a caller that has gone away leaves nobody to look at it
