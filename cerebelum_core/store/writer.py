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
"""Writes that a committer is given at once at the most ..."""
MAX_BATCH_BYTES = 16 * 1024 * 1024
"""... and so many bytes of them, so that what is made of a batch has its bounds too."""

Told: TypeAlias = Callable[[Sequence[Outcome]], None]
"""Called in the loop, with what became of the writes that are next in their order."""


class Committer(Protocol[_W_contra]):
    """Writes in order, away from the loop."""

    @property
    def is_free(self) -> bool:
        """Whether it takes more now. While it does not, it has yet to tell of something."""

    def begin(self, writes: Sequence[_W_contra], told: Told) -> None:
        """Write behind what was begun before, and tell what became of each, some at a time, in later turns of the loop.

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
        self._under_way = 0

    @property
    def is_free(self) -> bool:
        """Whether nothing is under way."""
        return not self._under_way

    def begin(self, writes: Sequence[_W], told: Told) -> None:
        """Write, and tell what became of each."""
        self._executor.submit(self._work, writes, told)
        self._under_way = len(writes)

    async def close(self) -> None:
        """End the thread."""
        self._executor.shutdown()

    def _work(self, writes: Sequence[_W], told: Told) -> None:
        for first in range(0, len(writes), self._at_once):
            outcomes = outcomes_of(self._commit, writes[first : first + self._at_once])
            self._loop.call_soon_threadsafe(self._tell, outcomes, told)

    def _tell(self, outcomes: Sequence[Outcome], told: Told) -> None:
        self._under_way -= len(outcomes)
        told(outcomes)


def outcomes_of(commit: Callable[[Sequence[_W]], Sequence[Outcome]], writes: Sequence[_W]) -> Sequence[Outcome]:
    """What became of each write when they were committed. One that sinks others with it sinks alone."""
    try:
        return commit(writes)
    except Exception as error:
        if len(writes) > 1:
            return [outcome for write in writes for outcome in outcomes_of(commit, [write])]
        return [error]


class GroupCommit(Generic[_W]):
    """Gives a committer what has queued up whenever it takes more.

    `heard` is told what became of each write before those who wrote are; `weigh` tells how many bytes one has.
    """

    def __init__(
        self,
        committer: Committer[_W],
        *,
        max_batch: int = MAX_BATCH,
        weigh: Callable[[_W], int] | None = None,
        heard: Told | None = None,
    ) -> None:
        self._committer = committer
        self._weigh = weigh
        self._heard = heard
        self._max_batch = max_batch
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_W] = deque()
        self._waiting: deque[Done] = deque()
        """Who is to be told of what the committer has, and then of what is in the queue, in order."""
        self._begun = 0
        """How many of them wait for the committer."""
        self._untold = 0
        self._turning = False
        """Whether what is in the queue is begun in the next turn of the loop."""
        self._closed = False
        self._emptied: asyncio.Future[None] | None = None

    def post(self, write: _W, done: Done) -> None:
        """Write, and tell what became of it: a StoreError says why it is not durable, or StoreUnavailable that nobody
        knows.
        """
        if self._closed:
            self._loop.call_soon(done, StoreUnavailable("the store is closed"))
            return
        self._untold += 1
        self._queue.append(write)
        self._waiting.append(done)
        if not self._turning and self._committer.is_free:
            self._turning = True
            # What else is written in this turn of the loop goes into the same batch.
            self._loop.call_soon(self._turn)

    def submit(self, write: _W) -> asyncio.Future[None]:
        """The same as a future. Whoever stops waiting for it does not take the write back."""
        waiting: asyncio.Future[None] = self._loop.create_future()
        self.post(write, partial(settle, waiting))
        return waiting

    async def close(self) -> None:
        """Write what is queued."""
        self._closed = True
        if self._untold:
            self._emptied = self._loop.create_future()
            await self._emptied
        await self._committer.close()

    def _turn(self) -> None:
        self._turning = False
        self._begin()

    def _begin(self) -> None:
        while self._queue and self._committer.is_free:
            batch = self._batch()
            try:
                self._committer.begin(batch, self._written)
            except Exception as error:
                unreached = StoreUnavailable(f"the store's writer cannot be reached: {error}")
                self._waiting.rotate(-self._begun)
                in_vain = [self._waiting.popleft() for _ in batch]
                self._waiting.rotate(self._begun)
                self._loop.call_soon(self._tell, in_vain, [unreached] * len(batch))
            else:
                self._begun += len(batch)

    def _batch(self) -> list[_W]:
        batch: list[_W] = []
        size = 0
        while self._queue and len(batch) < self._max_batch and size < MAX_BATCH_BYTES:
            write = self._queue.popleft()
            batch.append(write)
            if self._weigh is not None:
                size += self._weigh(write)
        return batch

    def _written(self, outcomes: Sequence[Outcome]) -> None:
        self._begun -= len(outcomes)
        waiting = [self._waiting.popleft() for _ in outcomes]
        # What is next begins before what this leads to: the writer has no time to lose.
        self._begin()
        if self._heard is not None:
            self._heard(outcomes)
        self._tell(waiting, outcomes)

    def _tell(self, waiting: Sequence[Done], outcomes: Sequence[Outcome]) -> None:
        self._untold -= len(waiting)
        for done, outcome in zip(waiting, outcomes, strict=True):
            try:
                done(outcome)
            except Exception:
                _log.exception("who wrote failed to take that it is written")  # the others have done nothing wrong
        if self._emptied is not None and not self._untold:
            settle(self._emptied, None)
