"""Group commit: one thread writes, and it takes whatever has queued up when it is free.

There is no timer and no linger: under load the queue is the batch, alone a write goes at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Generic, TypeAlias, TypeVar

from cerebelum_core.errors import StoreUnavailable

_W = TypeVar("_W")

Outcome: TypeAlias = Exception | None
"""What became of one write: None when it is durable."""

MAX_BATCH = 1_000
"""Writes in one transaction at the most, so that the first of them does not wait for ever."""
_WORTH_HALVING = 128
"""Of a queue that is longer, half is written: what waits for it goes on while the other half is on its way to the disk.
Written at once, all would wait for the disk together, then for the loop, then for their workers."""


def one_thread(name: str) -> Executor:
    """Runs one piece of work after another, away from the loop."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"cerebelum-store-{name}")


class GroupCommit(Generic[_W]):
    """Hands writes to `commit`, as many at once as have queued up. It runs in the thread that it is given.

    `commit` makes all of them durable and says which it refuses; when it raises, none is durable. The thread is awake
    only while there is something to write.
    """

    def __init__(
        self, commit: Callable[[Sequence[_W]], Sequence[Outcome]], thread: Executor, max_batch: int = MAX_BATCH
    ) -> None:
        self._commit = commit
        self._executor = thread
        self._max_batch = max_batch
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[_W, asyncio.Future[None]]] = deque()
        self._awake = False
        self._closed = False

    def submit(self, write: _W) -> asyncio.Future[None]:
        """A future that is done when the write is durable. Whoever stops waiting for it does not take it back.

        It fails with a StoreError: why the write is not durable, or StoreUnavailable: nobody knows.
        """
        done: asyncio.Future[None] = self._loop.create_future()
        if self._closed:
            done.set_exception(StoreUnavailable("the store is closed"))
            done.exception()  # nobody has to look at it
            return done
        self._queue.append((write, done))
        if not self._awake:
            self._awake = True
            # What else is written in this turn of the loop goes into the same batch.
            self._loop.call_soon(self._executor.submit, self._work)
        return done

    async def close(self) -> None:
        """Write what is queued."""
        self._closed = True
        while self._awake:
            await self._loop.run_in_executor(self._executor, _pass)

    def _work(self) -> None:
        """Commit what has queued up. Runs in the thread."""
        batch = self._next_batch()
        outcomes = self._outcomes([write for write, _ in batch])
        self._loop.call_soon_threadsafe(self._written, batch, outcomes)

    def _written(self, batch: list[tuple[_W, asyncio.Future[None]]], outcomes: Sequence[Outcome]) -> None:
        _tell(batch, outcomes)
        # The loop begins the next batch: what one of its turns writes is never torn into several.
        self._awake = bool(self._queue)
        if self._awake:
            self._executor.submit(self._work)

    def _next_batch(self) -> list[tuple[_W, asyncio.Future[None]]]:
        half = max(len(self._queue), _WORTH_HALVING) // 2
        return [self._queue.popleft() for _ in range(min(len(self._queue), self._max_batch, half))]

    def _outcomes(self, writes: Sequence[_W]) -> Sequence[Outcome]:
        try:
            return self._commit(writes)
        except Exception as error:
            # One write may have sunk the others with it: each is tried alone.
            if len(writes) > 1:
                return [outcome for write in writes for outcome in self._outcomes([write])]
            return [error]


def _pass() -> None:
    """Nothing: to wait for it is to wait for the thread."""


def _tell(batch: list[tuple[_W, asyncio.Future[None]]], outcomes: Sequence[Outcome]) -> None:
    for (_, done), outcome in zip(batch, outcomes, strict=True):
        if done.done():
            continue
        if outcome is None:
            done.set_result(None)
        else:
            done.set_exception(outcome)
            done.exception()  # a caller that has gone away leaves nobody to look at it
