"""Group commit: one thread writes, and it takes whatever has queued up when it is free.

There is no timer and no linger: under load the queue is the batch, alone a write goes at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

from cerebelum_core.errors import StoreUnavailable
from cerebelum_core.store.callbacks import settle
from cerebelum_core.store.records import Done, Outcome

_W = TypeVar("_W")

_log = logging.getLogger(__name__)

MAX_BATCH = 1_000
"""Writes that are told together at the most, so that the first of them does not wait for ever."""


def one_thread(name: str) -> Executor:
    """Runs one piece of work after another, away from the loop."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"cerebelum-store-{name}")


class GroupCommit(Generic[_W]):
    """Hands writes to `commit`, as many at once as have queued up. It runs in the thread that it is given.

    `commit` makes all of them durable and says which it refuses; when it raises, none is durable. It is given `at_once`
    writes at the most, and what became of up to `max_batch` is told together. The thread is awake only while there is
    something to write.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[_W]], Sequence[Outcome]],
        thread: Executor,
        *,
        max_batch: int = MAX_BATCH,
        at_once: int = MAX_BATCH,
    ) -> None:
        self._commit = commit
        self._executor = thread
        self._max_batch = max_batch
        self._at_once = at_once
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[_W, Done]] = deque()
        self._awake = False
        self._closed = False

    def post(self, write: _W, done: Done) -> None:
        """Write, and tell what became of it: a StoreError says why it is not durable, or StoreUnavailable that nobody
        knows.
        """
        if self._closed:
            self._loop.call_soon(done, StoreUnavailable("the store is closed"))
            return
        self._queue.append((write, done))
        if not self._awake:
            self._awake = True
            # What else is written in this turn of the loop goes into the same batch.
            self._loop.call_soon(self._executor.submit, self._work)

    def submit(self, write: _W) -> asyncio.Future[None]:
        """The same as a future. Whoever stops waiting for it does not take the write back."""
        waiting: asyncio.Future[None] = self._loop.create_future()
        self.post(write, partial(settle, waiting))
        return waiting

    async def close(self) -> None:
        """Write what is queued."""
        self._closed = True
        while self._awake:
            await self._loop.run_in_executor(self._executor, _pass)

    def _work(self) -> None:
        """Commit what has queued up. Runs in the thread."""
        batch = self._next_batch()
        writes = [write for write, _ in batch]
        parts = [writes[first : first + self._at_once] for first in range(0, len(writes), self._at_once)]
        outcomes = [outcome for part in parts for outcome in self._outcomes(part)]
        self._loop.call_soon_threadsafe(self._written, batch, outcomes)

    def _written(self, batch: list[tuple[_W, Done]], outcomes: Sequence[Outcome]) -> None:
        # The loop begins the next batch: what one of its turns writes is never torn into several.
        self._awake = bool(self._queue)
        if self._awake:
            self._executor.submit(self._work)
        for (_, done), outcome in zip(batch, outcomes, strict=True):
            try:
                done(outcome)
            except Exception:
                _log.exception("who wrote failed to take that it is written")  # the others have done nothing wrong

    def _next_batch(self) -> list[tuple[_W, Done]]:
        return [self._queue.popleft() for _ in range(min(len(self._queue), self._max_batch))]

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
