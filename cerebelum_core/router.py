"""TaskRouter: matches tasks that are owed with workers that wait.

Its memory is a cache of what executions owe: each commit says anew what is owed, and what is not said any more is
forgotten. Nothing here is durable, and nothing here needs to be.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol, TypeVar

from cerebelum_core.alarms import Alarms
from cerebelum_core.clock import Clock
from cerebelum_core.leases import Lease, Leases
from cerebelum_core.offers import Kind, Offer, Pool, offer_of, pool_of
from cerebelum_engine import DispatchTask, Handout, Limit, State, TimeOutTask

_Key = TypeVar("_Key")
_LIMIT_RETRY_S = 1.0


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

    def revoke(self, task_id: str) -> None:
        """A task in the worker's hands is not owed any more."""

    def stop(self, task_id: str) -> None:
        """The step of a task in the worker's hands is to clean up and end."""


@dataclass(slots=True, eq=False)
class _Poll:
    worker_id: str
    pools: Collection[Pool]
    lease_s: float
    answer: asyncio.Future[Lease | None] = field(repr=False)

    @property
    def room(self) -> int:
        # A poll whose caller has gone away stays in the index until its coroutine runs: it is no taker any more.
        return 0 if self.answer.done() else 1

    def take(self, lease: Lease) -> None:
        self.answer.set_result(lease)

    def dismiss(self) -> None:
        if not self.answer.done():
            self.answer.set_result(None)


class TaskRouter:
    """Queues by pool on one side, waiting workers by pool on the other; a match touches one of each."""

    def __init__(
        self, on_lost: Callable[[Lease, str], None], on_limit: Callable[[str, TimeOutTask], None], clock: Clock
    ) -> None:
        self._on_lost = on_lost
        self._on_limit = on_limit
        self._clock = clock
        self._unclaimed = Alarms(self._waited_too_long)
        self.leases = Leases(self._expired)
        self._owed: dict[str, dict[str, Offer]] = {}
        self._offers: dict[str, Offer] = {}
        self._queues: dict[Pool, OrderedDict[str, Offer]] = {}
        self._waiting: dict[Pool, OrderedDict[Taker, None]] = {}
        self._takers_of: dict[str, OrderedDict[Taker, None]] = {}
        self._sessions: dict[str, Session] = {}
        self._numbers = count()
        self._recovering = set(Kind)
        self._held_back: dict[str, Offer] = {}
        self._claims: dict[str, tuple[str, float]] = {}
        self._draining = False

    # -- what is owed ------------------------------------------------------------------------

    def sync(self, state: State, tasks: Iterable[DispatchTask]) -> None:
        """Take over what an execution owes now: new tasks are offered, those not owed any more forgotten."""
        self._take_over(state, tasks, recovered=False)

    def recover(self, state: State, tasks: Iterable[DispatchTask]) -> None:
        """The same for an execution read from the store: its tasks may be in hands that this Core forgot."""
        self._take_over(state, tasks, recovered=True)

    def owes(self, task_id: str) -> bool:
        """Whether a task is still owed, waiting or in a worker's hands."""
        return task_id in self._offers

    def in_hand(self, execution_id: str) -> frozenset[str]:
        """The tasks of an execution that workers have, or may have since before a restart."""
        return frozenset(
            task_id
            for task_id in self._owed.get(execution_id, ())
            if task_id in self._held_back or self.leases.get(task_id) is not None
        )

    def is_held_back(self, task_id: str) -> bool:
        """Whether it waits for the word of a worker that may have it since before a restart."""
        return task_id in self._held_back

    def to_stop(self, task_ids: Iterable[str]) -> list[str]:
        """Those of these tasks whose steps are to clean up and end."""
        offers = ((task_id, self._offers.get(task_id)) for task_id in task_ids)
        return [task_id for task_id, offer in offers if offer is not None and offer.handout is Handout.STOP]

    @property
    def queued(self) -> dict[Pool, int]:
        """How many tasks wait for a worker, by what it must be able to run."""
        return {pool: len(queue) for pool, queue in self._queues.items()}

    @property
    def is_busy(self) -> bool:
        """Whether any task is with a worker, or may be."""
        return bool(len(self.leases) or self._held_back)

    @property
    def task_count(self) -> int:
        """How many tasks are owed."""
        return len(self._offers)

    def _take_over(self, state: State, tasks: Iterable[DispatchTask], *, recovered: bool) -> None:
        before = self._owed.pop(state.execution_id, {})
        owed: dict[str, Offer] = {}
        new: list[Offer] = []
        changed: list[tuple[Offer, Offer]] = []
        for task in tasks:
            known = before.pop(task.task_id, None)
            if known is None:
                offer = offer_of(state, task, next(self._numbers))
                new.append(offer)
            elif known.handout is task.handout and known.pool == pool_of(state.blueprint, task.step):
                offer = known
            else:
                offer = offer_of(state, task, next(self._numbers))
                changed.append((known, offer))
            owed[task.task_id] = offer
        if owed:
            self._owed[state.execution_id] = owed
        for task_id in before:
            self._forget(task_id)
        for offer in new:
            self._offer(offer, recovered)
        for known, offer in changed:
            self._change(known, offer)

    def _change(self, known: Offer, offer: Offer) -> None:
        """A known task is to be handed out otherwise than it was."""
        self._unqueue(known)
        self._offers[offer.task_id] = offer
        lease = self.leases.get(offer.task_id)
        if lease is not None:
            session = self._sessions.get(lease.worker_id)
            if session is not None and offer.handout is Handout.STOP:
                session.stop(offer.task_id)
        elif offer.task_id in self._held_back:
            self._held_back[offer.task_id] = offer
        else:
            self._place(offer)

    def _offer(self, offer: Offer, recovered: bool) -> None:
        self._offers[offer.task_id] = offer
        claim = self._claims.pop(offer.task_id, None) if self._claims else None
        if claim is not None:
            self._lease(offer, *claim)
        elif recovered and offer.pool.kind in self._recovering:
            self._held_back[offer.task_id] = offer
        else:
            self._place(offer)

    def _forget(self, task_id: str) -> None:
        self._unqueue(self._offers.pop(task_id))
        self._held_back.pop(task_id, None)
        lease = self.leases.end(task_id)
        session = self._sessions.get(lease.worker_id) if lease is not None else None
        if session is not None:
            session.revoke(task_id)

    # -- matching ----------------------------------------------------------------------------

    async def poll(self, worker_id: str, pools: Iterable[Pool], timeout_s: float, lease_s: float) -> Lease | None:
        """Wait for a task that this worker can run, and lease it. None when there was none in time."""
        loop = asyncio.get_running_loop()
        poll = _Poll(worker_id, tuple(pools), lease_s, loop.create_future())
        self.serve(poll)
        if poll.answer.done():
            return poll.answer.result()
        timer = loop.call_later(max(timeout_s, 0), poll.dismiss)
        try:
            return await poll.answer
        except asyncio.CancelledError:
            self._give_back(poll)
            raise
        finally:
            timer.cancel()
            self.leave(poll)

    def serve(self, taker: Taker) -> None:
        """Hand a taker what waits for it; while it has room for more, it is among those that wait."""
        if self._draining:
            taker.dismiss()
            return
        while taker.room > 0:
            offer = self._next_offer(taker)
            if offer is None:
                self._wait(taker)
                return
            taker.take(self._lease(offer, taker.worker_id, taker.lease_s))
        self.leave(taker)

    def leave(self, taker: Taker) -> None:
        """A taker waits no longer."""
        _remove(self._takers_of, taker.worker_id, taker)
        for pool in taker.pools:
            _remove(self._waiting, pool, taker)

    def give_back(self, lease: Lease) -> None:
        """The worker never got the task: offer it again."""
        if self.leases.end_this(lease) and (offer := self._offers.get(lease.task_id)):
            self._place(offer, first=True)

    def _give_back(self, poll: _Poll) -> None:
        if poll.answer.done() and not poll.answer.cancelled() and (lease := poll.answer.result()):
            self.give_back(lease)

    def _place(self, offer: Offer, *, first: bool = False) -> None:
        """Hand an offer to who waits, the last worker of its execution if that one waits, or queue it."""
        if offer.handout is Handout.STOP:
            # An answer is waited for that nobody is left to give.
            self._on_lost(Lease(offer.task_id, offer.execution_id, "", 0, 0), "no worker has it any more")
        if offer.handout is not Handout.OFFER:
            return
        taker = self._best_taker(offer)
        if taker is not None:
            taker.take(self._lease(offer, taker.worker_id, taker.lease_s))
            if taker.room <= 0:
                self.leave(taker)
            return
        queue = self._queues.setdefault(offer.pool, OrderedDict())
        queue[offer.task_id] = offer
        if first:
            queue.move_to_end(offer.task_id, last=False)
        if offer.unclaimed_at is not None:
            self._unclaimed.set(offer.task_id, (offer.unclaimed_at.to_ns() - self._clock.now().to_ns()) / 1e9)

    def _waited_too_long(self, task_id: str) -> None:
        offer = self._offers.get(task_id)
        if offer is not None and offer.task_id in self._queues.get(offer.pool, ()):
            self._unclaimed.set(task_id, _LIMIT_RETRY_S)  # until it is recorded, which forgets the task
            self._on_limit(offer.execution_id, TimeOutTask(task_id=task_id, limit=Limit.SCHEDULE_TO_START))

    def _best_taker(self, offer: Offer) -> Taker | None:
        for taker in self._takers_of.get(offer.last_worker_id, ()):
            if taker.room > 0 and offer.pool in taker.pools:
                return taker
        waiting = self._waiting.get(offer.pool)
        for taker in waiting or ():
            if taker.room > 0:
                if waiting is not None:
                    waiting.move_to_end(taker)  # those that wait take turns
                return taker
        return None

    def _next_offer(self, taker: Taker) -> Offer | None:
        """The task that has waited longest among those that the worker can run."""
        heads = (next(iter(queue.values())) for pool in taker.pools if (queue := self._queues.get(pool)))
        return min(heads, key=lambda offer: offer.number, default=None)

    def _lease(self, offer: Offer, worker_id: str, lease_s: float) -> Lease:
        self._unqueue(offer)
        self._held_back.pop(offer.task_id, None)
        return self.leases.grant(
            offer.task_id, offer.execution_id, worker_id, lease_s, offer.longest_s, offer.silence_s
        )

    def _unqueue(self, offer: Offer) -> None:
        queue = self._queues.get(offer.pool)
        if queue is None or offer.task_id not in queue:
            return
        del queue[offer.task_id]
        self._unclaimed.clear(offer.task_id)
        if not queue:
            del self._queues[offer.pool]

    def _wait(self, taker: Taker) -> None:
        self._takers_of.setdefault(taker.worker_id, OrderedDict())[taker] = None
        for pool in taker.pools:
            self._waiting.setdefault(pool, OrderedDict())[taker] = None

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
                self._lease(offer, worker_id, lease_s)
            elif offer is None and Kind.OURS in self._recovering:
                self._claims[task_id] = (worker_id, lease_s)
            else:
                lost.append(task_id)
        return lost

    def lose(self, lease: Lease, reason: str) -> None:
        """A worker does not have its task any more: it is lost at once."""
        if self.leases.end_this(lease):
            self._on_lost(lease, reason)

    def lose_all_of(self, worker_id: str, reason: str) -> None:
        """A worker is gone, and all that it held."""
        for lease in self.leases.of(worker_id):
            self.lose(lease, reason)

    def lose_again(self, lease: Lease, delay_s: float) -> None:
        """The loss could not be recorded: let it be noticed once more after a while."""
        if lease.task_id in self._offers and self.leases.get(lease.task_id) is None:
            self.leases.end_again(lease, delay_s)

    def open_gate(self, kind: Kind) -> None:
        """No other worker of a kind will claim a task from before the restart: offer those that are left."""
        self._recovering.discard(kind)
        if kind is Kind.OURS:
            self._claims.clear()
        for offer in [offer for offer in self._held_back.values() if offer.pool.kind is kind]:
            del self._held_back[offer.task_id]
            self._place(offer)

    def attach(self, session: Session) -> None:
        """A worker has opened its stream."""
        self._sessions[session.worker_id] = session

    def detach(self, session: Session) -> None:
        """A worker's stream has ended. What it held, it holds until its lease ends."""
        self.leave(session)
        if self._sessions.get(session.worker_id) is session:
            del self._sessions[session.worker_id]

    def dismiss(self, worker_id: str) -> None:
        """Let nothing of a worker wait any more: its process, or that of before, seems gone."""
        for taker in list(self._takers_of.get(worker_id, ())):
            self.leave(taker)
            taker.dismiss()

    def drain(self) -> None:
        """Answer whoever waits with nothing, and let no one wait any more."""
        self._draining = True
        for worker_id in list(self._takers_of):
            self.dismiss(worker_id)
        self.leases.close()
        self._unclaimed.close()

    def _expired(self, lease: Lease) -> None:
        if not lease.overran:
            # Its worker may be gone, and the polls that it left here with it: it gets no more until it asks again.
            self.dismiss(lease.worker_id)
        if not (lease.overran or lease.silent):
            self._on_lost(lease, "its lease ended without a sign of life")
            return
        self.leases.end_again(lease, _LIMIT_RETRY_S)  # unless it is recorded, which forgets the task
        limit = Limit.START_TO_CLOSE if lease.overran else Limit.HEARTBEAT
        command = TimeOutTask(task_id=lease.task_id, limit=limit, worker_id=lease.worker_id)
        self._on_limit(lease.execution_id, command)


def _remove(index: dict[_Key, OrderedDict[Taker, None]], key: _Key, taker: Taker) -> None:
    takers = index.get(key)
    if takers is not None:
        takers.pop(taker, None)
        if not takers:
            del index[key]
