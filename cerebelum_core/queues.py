"""Queues: offers that wait for a worker, by what it must be able to run, and each for no longer than it may."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable

from cerebelum_core.alarms import Alarms
from cerebelum_core.clock import Clock
from cerebelum_core.offers import Offer, Pool

_RETRY_S = 1.0


class Queues:
    """First come, first served: within a queue, and among those that one worker serves."""

    def __init__(self, on_overdue: Callable[[Offer], None], clock: Clock) -> None:
        self._on_overdue = on_overdue
        self._clock = clock
        self._overdue = Alarms(self._waited_too_long)
        self._by_pool: dict[Pool, OrderedDict[str, Offer]] = {}
        self._limited: dict[str, Offer] = {}

    def add(self, offer: Offer, *, first: bool = False) -> None:
        """Let an offer wait, behind all others or before them."""
        queue = self._by_pool.setdefault(offer.pool, OrderedDict())
        queue[offer.task_id] = offer
        if first:
            queue.move_to_end(offer.task_id, last=False)
        if offer.task.unclaimed_at is not None:
            self._limited[offer.task_id] = offer
            self._overdue.set(offer.task_id, (offer.task.unclaimed_at.to_ns() - self._clock.now().to_ns()) / 1e9)

    def remove(self, offer: Offer) -> bool:
        """It waits no longer. Whether it did."""
        queue = self._by_pool.get(offer.pool)
        if queue is None or queue.pop(offer.task_id, None) is None:
            return False
        if not queue:
            del self._by_pool[offer.pool]
        if offer.task.unclaimed_at is not None:
            self._limited.pop(offer.task_id, None)
            self._overdue.clear(offer.task_id)
        return True

    def take(self, pools: Iterable[Pool]) -> Offer | None:
        """The offer that has waited longest in these, out of its queue."""
        heads = (next(iter(queue.values())) for pool in pools if (queue := self._by_pool.get(pool)))
        offer = min(heads, key=lambda offer: offer.number, default=None)
        if offer is not None:
            self.remove(offer)
        return offer

    @property
    def sizes(self) -> dict[Pool, int]:
        """How many wait in each."""
        return {pool: len(queue) for pool, queue in self._by_pool.items()}

    def close(self) -> None:
        """Let nothing that waits become overdue any more."""
        self._overdue.close()

    def _waited_too_long(self, task_id: str) -> None:
        offer = self._limited.get(task_id)
        if offer is not None:
            self._overdue.set(task_id, _RETRY_S)  # until it is recorded, which forgets the task
            self._on_overdue(offer)
