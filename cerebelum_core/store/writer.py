"""Group commit: whatever has queued up is written when the writer is free.

There is no timer and no linger: under load the queue is the batch, alone a write goes at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import Generic, Protocol, TypeAlias, TypeVar

from cerebelum_core.errors import StoreUnavailable
from cerebelum_core.store.callbacks import settle
from cerebelum_core.store.records import Done, Outcome

_W = TypeVar("_W")
_W_contra = TypeVar("_W_contra", contravariant=True)

_log = logging.getLogger(__name__)

MAX_BATCH = 1_000
"""Writes that are told together at the most, so that the first of them does not wait for ever."""

Told: TypeAlias = Callable[[Sequence[Outcome]], None]
"""Called once in the loop, with what became of each write."""


class Committer(Protocol[_W_contra]):
    """Writes one batch after another, away from the loop."""

    def begin(self, writes: Sequence[_W_contra], told: Told) -> None:
        """Write, and tell what became of each, in a later turn of the loop. The batch before was told.

        Raises:
            Exception: nothing was begun, and nothing is told.
        """

    async def close(self) -> None:
        """Write no more."""


def one_thread(name: str) -> Executor:
    """Runs one piece of work after another, away from the loop."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"cerebelum-store-{name}")


class ThreadCommitter(Generic[_W]):
    """Hands batches to `commit` in a thread.

    `commit` makes all of a batch durable and says which writes it refuses; when it raises, none is durable. It is given
    `at_once` writes at the most.
    """

    def __init__(
        self, commit: Callable[[Sequence[_W]], Sequence[Outcome]], thread: Executor, *, at_once: int = MAX_BATCH
    ) -> None:
        self._commit = commit
        self._executor = thread
        self._at_once = at_once
        self._loop = asyncio.get_running_loop()

    def begin(self, writes: Sequence[_W], told: Told) -> None:
        """Write, and tell what became of each."""
        self._executor.submit(self._work, writes, told)

    async def close(self) -> None:
        """End the thread."""
        self._executor.shutdown()

    def _work(self, writes: Sequence[_W], told: Told) -> None:
        self._loop.call_soon_threadsafe(told, outcomes_of(self._commit, writes, self._at_once))


def outcomes_of(
    commit: Callable[[Sequence[_W]], Sequence[Outcome]], writes: Sequence[_W], at_once: int
) -> list[Outcome]:
    """What became of each write of a batch, committed so many at once. One that sinks others with it sinks alone."""
    outcomes: list[Outcome] = []
    for first in range(0, len(writes), at_once):
        outcomes += _committed(commit, writes[first : first + at_once])
    return outcomes


def _committed(commit: Callable[[Sequence[_W]], Sequence[Outcome]], writes: Sequence[_W]) -> Sequence[Outcome]:
    try:
        return commit(writes)
    except Exception as error:
        if len(writes) > 1:
            return [outcome for write in writes for outcome in _committed(commit, [write])]
        return [error]


class GroupCommit(Generic[_W]):
    """Gives a committer as many writes at once as have queued up, at most `max_batch`.

    `heard` is told what became of each batch.
    """

    def __init__(self, committer: Committer[_W], *, max_batch: int = MAX_BATCH, heard: Told | None = None) -> None:
        self._committer = committer
        self._heard = heard
        self._max_batch = max_batch
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[_W, Done]] = deque()
        self._awake = False
        self._closed = False
        self._emptied: asyncio.Future[None] | None = None

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
            self._loop.call_soon(self._begin)

    def submit(self, write: _W) -> asyncio.Future[None]:
        """The same as a future. Whoever stops waiting for it does not take the write back."""
        waiting: asyncio.Future[None] = self._loop.create_future()
        self.post(write, partial(settle, waiting))
        return waiting

    async def close(self) -> None:
        """Write what is queued."""
        self._closed = True
        if self._awake:
            self._emptied = self._loop.create_future()
            await self._emptied
        await self._committer.close()

    def _begin(self) -> None:
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._max_batch))]
        told = partial(self._written, batch)
        try:
            self._committer.begin([write for write, _ in batch], told)
        except Exception as error:
            unreached = StoreUnavailable(f"the store's writer cannot be reached: {error}")
            self._loop.call_soon(told, [unreached] * len(batch))

    def _written(self, batch: list[tuple[_W, Done]], outcomes: Sequence[Outcome]) -> None:
        # The next batch begins before what this one leads to: the writer has no time to lose.
        self._awake = bool(self._queue)
        if self._awake:
            self._begin()
        if self._heard is not None:
            self._heard(outcomes)
        for (_, done), outcome in zip(batch, outcomes, strict=True):
            try:
                done(outcome)
            except Exception:
                _log.exception("who wrote failed to take that it is written")  # the others have done nothing wrong
        if self._emptied is not None and not self._awake:
            settle(self._emptied, None)
