"""Takers: who waits for tasks, by worker and by what each can run. A taker with room stands in both; finding one is
a look into each.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from cerebelum_core.leases import Lease
from cerebelum_core.offers import Offer, Pool

_Key = TypeVar("_Key")


class Taker(Protocol):
    """Whoever waits for tasks: a poll, or a worker's stream."""

    worker_id: str
    pools: Collection[Pool]
    lease_s: float

    @property
    def room(self) -> int:
        """How many more tasks it takes."""

    def take(self, lease: Lease) -> None:
        """Be handed a task."""

    def dismiss(self) -> None:
        """Wait no longer: there is none in time, or its worker seems gone."""


class Session(Taker, Protocol):
    """A worker's stream: it hears at once what it has lost."""

    def revoke(self, lease: Lease) -> None:
        """A task in the worker's hands is not owed any more."""

    def stop(self, task_id: str) -> None:
        """The step of a task in the worker's hands is to clean up and end."""


@dataclass(slots=True, eq=False)
class Poll:
    """A taker of one task."""

    worker_id: str
    pools: Collection[Pool]
    lease_s: float
    answer: asyncio.Future[Lease | None] = field(repr=False)

    @property
    def room(self) -> int:
        """One, until it is answered."""
        # A poll whose caller has gone away stays in the index until its coroutine runs: it is no taker any more.
        return 0 if self.answer.done() else 1

    @property
    def taken(self) -> Lease | None:
        """What it was handed."""
        return self.answer.result() if self.answer.done() and not self.answer.cancelled() else None

    def take(self, lease: Lease) -> None:
        """Be handed the task."""
        self.answer.set_result(lease)

    def dismiss(self) -> None:
        """Answer with nothing."""
        if not self.answer.done():
            self.answer.set_result(None)


class Takers:
    """Those that wait; they take turns."""

    def __init__(self) -> None:
        self._by_pool: dict[Pool, OrderedDict[Taker, None]] = {}
        self._by_worker: dict[str, OrderedDict[Taker, None]] = {}

    def add(self, taker: Taker) -> None:
        """It waits from now on."""
        self._by_worker.setdefault(taker.worker_id, OrderedDict())[taker] = None
        for pool in taker.pools:
            self._by_pool.setdefault(pool, OrderedDict())[taker] = None

    def remove(self, taker: Taker) -> None:
        """It waits no longer."""
        _remove(self._by_worker, taker.worker_id, taker)
        for pool in taker.pools:
            _remove(self._by_pool, pool, taker)

    def best(self, offer: Offer) -> Taker | None:
        """Who is to have an offer: the last worker of its execution if that one waits, or whose turn it is."""
        for taker in self._by_worker.get(offer.task.last_worker_id, ()):
            if taker.room > 0 and offer.pool in taker.pools:
                return taker
        waiting = self._by_pool.get(offer.pool)
        for taker in waiting or ():
            if taker.room > 0:
                if waiting is not None:
                    waiting.move_to_end(taker)
                return taker
        return None

    def of(self, worker_id: str) -> list[Taker]:
        """All that wait for a worker."""
        return list(self._by_worker.get(worker_id, ()))

    @property
    def worker_ids(self) -> list[str]:
        """The workers that wait."""
        return list(self._by_worker)


def _remove(index: dict[_Key, OrderedDict[Taker, None]], key: _Key, taker: Taker) -> None:
    takers = index.get(key)
    if takers is not None:
        takers.pop(taker, None)
        if not takers:
            del index[key]
