"""TaskRouter: matches tasks that are owed with workers that wait.

Its memory is a cache of what executions owe: each commit says anew what is owed, and what is not said any more is
forgotten. Nothing here is durable, and nothing here needs to be.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple, TypeVar

from cerebelum_core.leases import Lease, Leases
from cerebelum_engine import State, owed_tasks

_Key = TypeVar("_Key")


class Pool(NamedTuple):
    """What a worker must be able to run: a blueprint by its hash, or for a foreign worker a step by its name."""

    blueprint_hash: str = ""
    step: str = ""


@dataclass(slots=True)
class Offer:
    """A task that is owed and in nobody's hands."""

    task_id: str
    execution_id: str
    pool: Pool
    last_worker_id: str
    number: int
    """Its place in the order in which tasks were offered."""


@dataclass(slots=True, eq=False)
class _Poll:
    worker_id: str
    pools: tuple[Pool, ...]
    lease_s: float
    answer: asyncio.Future[Lease | None] = field(repr=False)


class TaskRouter:
    """Queues by pool on one side, waiting workers by pool on the other; a match touches one of each."""

    def __init__(self, on_lost: Callable[[Lease, str], None]) -> None:
        self._on_lost = on_lost
        self.leases = Leases(self._expired)
        self._owed: dict[str, dict[str, Offer]] = {}
        self._offers: dict[str, Offer] = {}
        self._queues: dict[Pool, deque[Offer]] = {}
        self._waiting: dict[Pool, OrderedDict[_Poll, None]] = {}
        self._polls_of: dict[str, OrderedDict[_Poll, None]] = {}
        self._numbers = count()
        self._held_back: dict[str, Offer] | None = {}
        self._claims: dict[str, tuple[str, float]] = {}
        self._draining = False

    # -- what is owed ------------------------------------------------------------------------

    def sync(self, state: State) -> None:
        """Take over what an execution owes now: new tasks are offered, those not owed any more forgotten."""
        self._take_over(state, recovered=False)

    def recover(self, state: State) -> None:
        """The same for an execution read from the store: its tasks may be in hands that this Core forgot."""
        self._take_over(state, recovered=self._held_back is not None)

    def owes(self, task_id: str) -> bool:
        """Whether a task is still owed, waiting or in a worker's hands."""
        return task_id in self._offers

    @property
    def queued(self) -> dict[Pool, int]:
        """How many tasks wait for a worker, by what it must be able to run."""
        lengths = {pool: sum(self._is_free(offer) for offer in queue) for pool, queue in self._queues.items()}
        return {pool: length for pool, length in lengths.items() if length}

    @property
    def task_count(self) -> int:
        """How many tasks are owed."""
        return len(self._offers)

    def _take_over(self, state: State, *, recovered: bool) -> None:
        before = self._owed.get(state.execution_id, {})
        now = {task.task_id: task for task in owed_tasks(state)}
        for task_id in before.keys() - now.keys():
            self._forget(task_id)
        for task_id in [task_id for task_id in now if task_id not in before]:
            task = now[task_id]
            blueprint = state.blueprint
            pool = Pool(step=task.step) if blueprint.foreign else Pool(blueprint_hash=blueprint.hash)
            self._offer(Offer(task_id, state.execution_id, pool, task.last_worker_id, next(self._numbers)), recovered)

    def _offer(self, offer: Offer, recovered: bool) -> None:
        self._offers[offer.task_id] = offer
        self._owed.setdefault(offer.execution_id, {})[offer.task_id] = offer
        claim = self._claims.pop(offer.task_id, None)
        if claim is not None:
            self.leases.grant(offer.task_id, offer.execution_id, *claim)
        elif recovered and self._held_back is not None:
            self._held_back[offer.task_id] = offer
        else:
            self._place(offer)

    def _forget(self, task_id: str) -> None:
        offer = self._offers.pop(task_id)
        self.leases.end(task_id)
        owed = self._owed[offer.execution_id]
        del owed[task_id]
        if not owed:
            del self._owed[offer.execution_id]

    # -- matching ----------------------------------------------------------------------------

    async def poll(self, worker_id: str, pools: Iterable[Pool], timeout_s: float, lease_s: float) -> Lease | None:
        """Wait for a task that this worker can run, and lease it. None when there was none in time."""
        poll = _Poll(worker_id, tuple(pools), lease_s, asyncio.get_running_loop().create_future())
        offer = self._next_offer(poll)
        if offer is not None:
            return self._lease(offer, poll)
        if timeout_s <= 0 or self._draining:
            return None
        self._wait(poll)
        timer = asyncio.get_running_loop().call_later(timeout_s, self._answer, poll, None)
        try:
            return await poll.answer
        except asyncio.CancelledError:
            self._give_back(poll)
            raise
        finally:
            timer.cancel()
            self._leave(poll)

    def give_back(self, lease: Lease) -> None:
        """The worker never got the task: offer it again."""
        if self.leases.end(lease.task_id) is not None and (offer := self._offers.get(lease.task_id)):
            self._place(offer, first=True)

    def _give_back(self, poll: _Poll) -> None:
        if poll.answer.done() and not poll.answer.cancelled() and (lease := poll.answer.result()):
            self.give_back(lease)

    def _place(self, offer: Offer, *, first: bool = False) -> None:
        """Hand an offer to a waiting worker, the last one of its execution if that one waits, or queue it."""
        poll = self._best_poll(offer)
        if poll is not None:
            self._answer(poll, self._lease(offer, poll))
            return
        queue = self._queues.setdefault(offer.pool, deque())
        if first:
            queue.appendleft(offer)
        else:
            queue.append(offer)

    def _best_poll(self, offer: Offer) -> _Poll | None:
        # A poll whose caller has gone away stays in the index until its coroutine runs: it is no taker any more.
        for poll in self._polls_of.get(offer.last_worker_id, ()):
            if offer.pool in poll.pools and not poll.answer.done():
                return poll
        return next((poll for poll in self._waiting.get(offer.pool, ()) if not poll.answer.done()), None)

    def _next_offer(self, poll: _Poll) -> Offer | None:
        """The task that has waited longest among those that the worker can run."""
        heads = [head for pool in poll.pools if (head := self._head(pool)) is not None]
        if not heads:
            return None
        oldest = min(heads, key=lambda offer: offer.number)
        self._queues[oldest.pool].popleft()
        return oldest

    def _head(self, pool: Pool) -> Offer | None:
        queue = self._queues.get(pool)
        while queue:
            if self._is_free(queue[0]):
                return queue[0]
            queue.popleft()
        self._queues.pop(pool, None)
        return None

    def _is_free(self, offer: Offer) -> bool:
        return self._offers.get(offer.task_id) is offer and self.leases.get(offer.task_id) is None

    def _lease(self, offer: Offer, poll: _Poll) -> Lease:
        return self.leases.grant(offer.task_id, offer.execution_id, poll.worker_id, poll.lease_s)

    def _wait(self, poll: _Poll) -> None:
        self._polls_of.setdefault(poll.worker_id, OrderedDict())[poll] = None
        for pool in poll.pools:
            self._waiting.setdefault(pool, OrderedDict())[poll] = None

    def _leave(self, poll: _Poll) -> None:
        _remove(self._polls_of, poll.worker_id, poll)
        for pool in poll.pools:
            _remove(self._waiting, pool, poll)

    # -- workers -----------------------------------------------------------------------------

    def hold(self, worker_id: str, task_ids: Iterable[str], lease_s: float) -> list[str]:
        """A worker says what it holds: renew these leases. The answer: those that it holds no longer.

        After a restart the word of the worker makes the lease again, also when it comes before the execution was
        read.
        """
        lost: list[str] = []
        for task_id in task_ids:
            lease, offer = self.leases.get(task_id), self._offers.get(task_id)
            if lease is not None and lease.worker_id == worker_id:
                self.leases.renew([lease])
            elif lease is None and offer is not None:
                self.leases.grant(task_id, offer.execution_id, worker_id, lease_s)
            elif offer is None and self._held_back is not None:
                self._claims[task_id] = (worker_id, lease_s)
            else:
                lost.append(task_id)
        return lost

    def lose(self, lease: Lease, reason: str) -> None:
        """A worker does not have its task any more: it is lost at once."""
        if self.leases.end(lease.task_id) is not None:
            self._on_lost(lease, reason)

    def lose_all_of(self, worker_id: str, reason: str) -> None:
        """A worker is gone, and all that it held."""
        for lease in self.leases.of(worker_id):
            self.lose(lease, reason)

    def lose_again(self, lease: Lease, delay_s: float) -> None:
        """The loss could not be recorded: let it be noticed once more after a while."""
        if lease.task_id in self._offers and self.leases.get(lease.task_id) is None:
            self.leases.grant(lease.task_id, lease.execution_id, lease.worker_id, delay_s)

    def open_gate(self) -> None:
        """Nobody else will claim a task from before the restart: offer those that are left."""
        held_back, self._held_back = self._held_back or {}, None
        self._claims.clear()
        for offer in held_back.values():
            if self._is_free(offer):
                self._place(offer)

    def drain(self) -> None:
        """Answer every waiting poll with nothing, and let no further one wait."""
        self._draining = True
        for worker_id in list(self._polls_of):
            self._dismiss(worker_id)
        self.leases.close()

    def _expired(self, lease: Lease) -> None:
        # Its worker may be gone, and the polls that it left here with it: it gets no more until it asks again.
        self._dismiss(lease.worker_id)
        self._on_lost(lease, "its lease ended without a sign of life")

    def _dismiss(self, worker_id: str) -> None:
        """Answer the waiting polls of a worker with nothing."""
        for poll in list(self._polls_of.get(worker_id, ())):
            self._answer(poll, None)

    def _answer(self, poll: _Poll, lease: Lease | None) -> None:
        self._leave(poll)
        if not poll.answer.done():
            poll.answer.set_result(lease)


def _remove(index: dict[_Key, OrderedDict[_Poll, None]], key: _Key, poll: _Poll) -> None:
    polls = index.get(key)
    if polls is not None:
        polls.pop(poll, None)
        if not polls:
            del index[key]
