"""Group commit: a committer is handed what each turn of the loop writes, and commits together what has come meanwhile.

There is no timer and no linger: under load the queue is the batch, alone a write goes at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from math import inf
from typing import Generic, NoReturn, Protocol, TypeAlias, TypeVar

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

_QUICK_S = 0.001
"""A loop may stand still for so long without anybody being the worse for it ..."""
_SMALL_BYTES = 64 * 1024
"""... and what has no more bytes than this takes no longer than others do."""
_INTERRUPTED = (StoreUnavailable("writing was interrupted"),)
"""By a handler of signals that raised: they run in the loop's thread, between any two of its calls."""

Told: TypeAlias = Callable[[Sequence[Outcome]], None]
"""Called in the loop, with what became of the writes that are next in their order."""


class Committer(Protocol[_W_contra]):
    """Writes in order, away from the loop."""

    @property
    def is_free(self) -> bool:
        """Whether it takes more now. While it does not, it has yet to tell of something."""

    def begin(self, writes: Sequence[_W_contra], size: int, told: Told) -> None:
        """Write behind what was begun before, and tell what became of each, some at a time, in later turns of the loop.

        `size` is how many bytes they have.

        Raises:
            BaseException: nothing was begun, and nothing is told.
        """

    async def close(self) -> None:
        """Write no more."""


def one_thread(name: str) -> Executor:
    """Runs one piece of work after another, away from the loop."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"cerebelum-store-{name}")


class ThreadCommitter(Generic[_W]):
    """Calls `commit` in a thread, with what has come while it committed what came before.

    `commit` makes all of a batch durable and says which writes it refuses; when it raises, none is durable. It is given
    `at_once` writes at the most.
    """

    is_free = True

    def __init__(
        self, commit: Callable[[Sequence[_W]], Sequence[Outcome]], thread: Executor, *, at_once: int = MAX_BATCH
    ) -> None:
        self._commit = commit
        self._executor = thread
        self._at_once = at_once
        self._loop = asyncio.get_running_loop()
        self._begun: deque[tuple[Sequence[_W], int]] = deque()
        """What is begun and not taken into the thread yet; its two ends are in different threads."""
        self._works = False
        """Whether the thread is to look for what is begun."""

    def begin(self, writes: Sequence[_W], size: int, told: Told) -> None:
        """Write, and tell what became of each."""
        try:
            self._begun.append((writes, size))
            if not self._works:
                self._go(told)
        except Exception:
            self._begun.pop()
            raise
        except BaseException as interruption:
            # It may be on its way or not; to look for it once more harms nobody.
            self._works = True
            self._executor.submit(self._work, told)
            self._loop.call_soon(raise_again, interruption)

    async def close(self) -> None:
        """End the thread."""
        self._executor.shutdown()

    def _go(self, told: Told) -> None:
        self._executor.submit(self._work, told)
        self._works = True

    def _work(self, told: Told) -> None:
        """In the thread: commit until there is nothing left that has come."""
        goes_on = True
        while goes_on:
            writes, goes_on = self._taken(), False
            for first in range(0, len(writes), self._at_once):
                last = first + self._at_once
                outcomes = outcomes_of(self._commit, writes[first:last])
                goes_on = last < len(writes) or bool(self._begun)
                self._loop.call_soon_threadsafe(self._tell, outcomes, goes_on, told)

    def _taken(self) -> Sequence[_W]:
        writes: list[_W] = []
        size = 0
        while self._begun and len(writes) < self._at_once:
            size += self._begun[0][1]
            if writes and size > MAX_BATCH_BYTES:
                break
            writes += self._begun.popleft()[0]
        return writes

    def _tell(self, outcomes: Sequence[Outcome], goes_on: bool, told: Told) -> None:
        try:
            if not goes_on:
                self._works = False
                if self._begun:  # it has come since
                    self._go(told)
        finally:
            told(outcomes)


class HereIfAlone(Generic[_W]):
    """Commits a write that comes alone in the loop's own turn, while that is quick: to hand it to a thread or a process
    and to hear of it takes as long again. All else goes to the committer behind.

    `commit` is that of a thread, but where it would take long it does nothing and tells nothing. `after` so many that
    came alone in a row it begins: where the two have a connection each, whose turn it is reads again what the other one
    wrote, so they are not to take turns.
    """

    def __init__(
        self, commit: Callable[[Sequence[_W]], Sequence[Outcome]], behind: Committer[_W], *, after: int = 0
    ) -> None:
        self._commit = commit
        self._behind = behind
        self._after = after
        self._in_a_row = 0
        """How many came alone since others were under way."""
        self._loop = asyncio.get_running_loop()
        self._under_way = 0
        """Writes that the committer behind has, and of which it has told nothing."""
        self._alone_since: float | None = None
        """When it was given one alone, while it has that."""
        self._takes_s = inf
        """How long a write alone took lately, wherever it was committed."""

    @property
    def is_free(self) -> bool:
        """Whether it takes more now."""
        return self._behind.is_free

    def begin(self, writes: Sequence[_W], size: int, told: Told) -> None:
        """Write, and tell what became of each."""
        count, begun = len(writes), self._loop.time()
        alone = count == 1 and size <= _SMALL_BYTES and not self._under_way
        here = alone and self._takes_s < _QUICK_S and self._in_a_row >= self._after
        self._in_a_row = min(self._in_a_row + 1, self._after) if alone else 0
        if here and self._commits(writes, told, begun):
            return
        self._behind.begin(writes, size, partial(self._told, told))
        self._under_way += count
        # One that was not committed here may wait for somebody: how long it takes says nothing of the others.
        self._alone_since = begun if alone and not here else None

    async def close(self) -> None:
        """Write no more."""
        await self._behind.close()

    def _commits(self, writes: Sequence[_W], told: Told, begun: float) -> Sequence[Outcome]:
        """Commit here, and return what is told; unless that would take long, which is none."""
        outcomes: list[Outcome] = []
        self._loop.call_soon(told, outcomes)  # first, for an interruption may come at any time
        try:
            outcomes += _INTERRUPTED
            outcomes[:] = outcomes_of(self._commit, writes)
            self._took(begun)
        except BaseException as interruption:
            self._loop.call_soon(raise_again, interruption)
        return outcomes

    def _told(self, told: Told, outcomes: Sequence[Outcome]) -> None:
        self._under_way -= len(outcomes)
        try:
            if self._alone_since is not None:
                self._took(self._alone_since)
                self._alone_since = None
        finally:
            told(outcomes)

    def _took(self, begun: float) -> None:
        # A long one counts as one of eight times the limit: after a single one the next are looked at as before.
        took_s = min(self._loop.time() - begun, 8 * _QUICK_S)
        before_s = took_s if self._takes_s == inf else self._takes_s
        self._takes_s = before_s + (took_s - before_s) / 8


def raise_again(interruption: BaseException) -> NoReturn:
    """For a later turn of the loop, where nothing is half done."""
    raise interruption


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
        weigh: Callable[[_W], int] | None = None,
        heard: Told | None = None,
    ) -> None:
        self._committer = committer
        self._weigh = weigh
        self._heard = heard
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
        self._waiting.append(done)
        self._queue.append(write)
        if not self._turning and self._committer.is_free:
            # What else is written in this turn of the loop goes into the same batch.
            self._loop.call_soon(self._turn)
            self._turning = True

    def submit(self, write: _W) -> asyncio.Future[None]:
        """The same as a future. Whoever stops waiting for it does not take the write back."""
        waiting: asyncio.Future[None] = self._loop.create_future()
        self.post(write, partial(settle, waiting))
        return waiting

    async def close(self) -> None:
        """Write what is queued."""
        self._closed = True
        if self._untold:
            self._begin()  # unless it has begun already
            self._emptied = self._loop.create_future()
            await self._emptied
        await self._committer.close()

    def _turn(self) -> None:
        self._turning = False
        self._begin()

    def _begin(self) -> None:
        if len(self._waiting) != self._begun + len(self._queue):
            self._tell_in_vain(len(self._waiting) - self._begun - len(self._queue), *_INTERRUPTED)
        while self._queue and self._committer.is_free:
            batch, size = self._batch()
            count = len(batch)
            try:
                self._committer.begin(batch, size, self._written)
            except Exception as error:
                unreached = StoreUnavailable(f"the store's writer cannot be reached: {error}")
                self._tell_in_vain(count, unreached)
            else:
                self._begun += count

    def _tell_in_vain(self, count: int, reason: StoreUnavailable) -> None:
        """Of the first of those that are not begun."""
        self._waiting.rotate(-self._begun)
        in_vain = [self._waiting.popleft() for _ in range(count)]
        self._waiting.rotate(self._begun)
        self._loop.call_soon(self._tell, in_vain, [reason] * count)

    def _batch(self) -> tuple[list[_W], int]:
        """What is to be begun at once, and how many bytes it has."""
        batch: list[_W] = []
        size = 0
        while self._queue and len(batch) < MAX_BATCH and size < MAX_BATCH_BYTES:
            write = self._queue.popleft()
            batch.append(write)
            if self._weigh is not None:
                size += self._weigh(write)
        return batch, size

    def _written(self, outcomes: Sequence[Outcome]) -> None:
        self._begun -= len(outcomes)
        waiting = [self._waiting.popleft() for _ in outcomes]
        try:
            # What is next begins before what this leads to: the writer has no time to lose.
            self._begin()
            if self._heard is not None:
                self._heard(outcomes)
        finally:
            self._tell(waiting, outcomes)

    def _tell(self, waiting: Sequence[Done], outcomes: Sequence[Outcome]) -> None:
        self._untold -= len(waiting)
        self._tell_each(zip(waiting, outcomes, strict=True))

    def _tell_each(self, untold: Iterator[tuple[Done, Outcome]]) -> None:
        for done, outcome in untold:
            try:
                done(outcome)
            except Exception:
                _log.exception("who wrote failed to take that it is written")  # the others have done nothing wrong
            except BaseException:
                self._loop.call_soon(self._tell_each, untold)
                raise
        if self._emptied is not None and not self._untold:
            settle(self._emptied, None)
