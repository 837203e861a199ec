"""TaskRouter: matches tasks that are owed with workers that wait.

What waits for a worker stands in `queues`, who waits for a task in `takers`, what is in hands in `leases`, and what
may be since before a restart in `claims`. All of it is a cache of what executions owe: each commit says anew what is
owed, and what is not said any more is forgotten. Nothing here is durable, and nothing here needs to be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from cerebelum_core.claims import Claims
from cerebelum_core.clock import Clock
from cerebelum_core.leases import Lease, Leases
from cerebelum_core.offers import Kind, Offer, Pool, offer_of
from cerebelum_core.queues import Queues
from cerebelum_core.takers import Poll, Session, Taker, Takers
from cerebelum_engine import OFFER, DispatchTask, Handout, Limit, State, TimeOutTask

_LIMIT_RETRY_S = 1.0


class TaskRouter:
    """Queues by pool on one side, waiting workers by pool on the other; a match touches one of each."""

    def __init__(
        self, on_lost: Callable[[Lease, str], None], on_limit: Callable[[str, TimeOutTask], None], clock: Clock
    ) -> None:
        self._on_lost = on_lost
        self._on_limit = on_limit
        self.leases = Leases(self._expired)
        self._owed: dict[str, dict[str, Offer]] = {}
        self._offers: dict[str, Offer] = {}
        self._queues = Queues(self._waited_too_long, clock)
        self._takers = Takers()
        self._claims = Claims()
        self._sessions: dict[str, Session] = {}
        self._number = 0
        self._withdrawn: set[str] = set()
        """Executions of which nobody knows what they owe."""
        self._draining = False

    # -- what is owed ------------------------------------------------------------------------

    def sync(self, state: State, tasks: tuple[DispatchTask, ...]) -> None:
        """Take over what an execution owes now: new tasks are offered, those not owed any more forgotten."""
        self._take_over(state, tasks, None, recovered=False)

    def recover(self, state: State, tasks: tuple[DispatchTask, ...]) -> None:
        """The same for an execution read from the store: its tasks may be in hands that this Core forgot."""
        self._take_over(state, tasks, None, recovered=True)

    def amend(self, state: State, tasks: tuple[DispatchTask, ...], gone: list[str]) -> None:
        """`sync`, told by what is another than before: `gone` are the ids of tasks that are not owed any more."""
        self._take_over(state, tasks, gone, recovered=False)

    def withdraw(self, execution_id: str) -> None:
        """Nobody knows what an execution owes until it is read (`recover`): what of it waits, waits no longer.

        What workers have, and what is being recorded as lost, stays as it is.
        """
        if execution_id in self._owed:
            self._withdrawn.add(execution_id)
            for offer in list(self._owed[execution_id].values()):
                if self._queues.remove(offer):
                    self._take_back(offer)

    def _take_back(self, offer: Offer) -> None:
        """Forget an offer that nobody has, until it is made anew."""
        self._owed[offer.execution_id].pop(offer.task_id, None)
        self._offers.pop(offer.task_id, None)

    def in_hand(self, execution_id: str) -> frozenset[str]:
        """The tasks of an execution that workers have, or may have since before a restart."""
        return frozenset(task_id for task_id in self._owed.get(execution_id, ()) if self.may_be_held(task_id))

    def may_be_held(self, task_id: str) -> bool:
        """Whether a worker has a task, or may have it since before a restart."""
        return task_id in self._claims or self.lease_of(task_id) is not None

    def lease_of(self, task_id: str) -> Lease | None:
        """The lease by which a worker has a task."""
        offer = self._offers.get(task_id)
        return None if offer is None else offer.in_hand

    def is_held_back(self, task_id: str) -> bool:
        """Whether it waits for the word of a worker that may have it since before a restart."""
        return task_id in self._claims

    @property
    def held_back(self) -> list[Offer]:
        """All that wait so, in the order in which they will be offered."""
        return self._claims.held_back

    def to_stop(self, task_ids: Iterable[str]) -> list[str]:
        """Those of these tasks whose steps are to clean up and end."""
        offers = ((task_id, self._offers.get(task_id)) for task_id in task_ids)
        return [task_id for task_id, offer in offers if offer is not None and offer.task.handout is Handout.STOP]

    def owed(self, task_id: str) -> DispatchTask | None:
        """A task that is owed, as the last commit of its execution told it."""
        offer = self._offers.get(task_id)
        return offer.task if offer is not None else None

    @property
    def queued(self) -> dict[Pool, int]:
        """How many tasks wait for a worker, by what it must be able to run."""
        return self._queues.sizes

    @property
    def is_busy(self) -> bool:
        """Whether any task is with a worker, or may be."""
        return bool(len(self.leases) or len(self._claims))

    def _take_over(
        self, state: State, tasks: tuple[DispatchTask, ...], gone: list[str] | None, *, recovered: bool
    ) -> None:
        """Take over tasks. `gone` are those that are not owed any more; None: all others that were."""
        if self._withdrawn:
            self._withdrawn.discard(state.execution_id)
        owed = self._owed.get(state.execution_id)
        if owed is None:
            if not tasks:
                return
            owed = self._owed[state.execution_id] = {}
        for task_id in _others(owed, tasks) if gone is None else gone:
            offer = owed.pop(task_id, None)
            if offer is not None:
                self._forget(offer)
        for task in tasks:
            known = owed.get(task.task_id)
            if known is not None and known.is_for(state, task):
                continue
            self._number += 1
            offer = owed[task.task_id] = offer_of(state, task, self._number)
            if known is None:
                self._offer(offer, recovered)
            else:
                self._change(known, offer)
        if not owed:
            del self._owed[state.execution_id]

    def _change(self, known: Offer, offer: Offer) -> None:
        """A known task is to be handed out otherwise than it was."""
        self._queues.remove(known)
        self._offers[offer.task_id] = offer
        offer.lease = known.lease
        lease = offer.in_hand
        if lease is not None:
            session = self._sessions.get(lease.worker_id)
            if session is not None and offer.task.handout is Handout.STOP:
                session.stop(offer.task_id)
        elif offer.task_id in self._claims:
            self._claims.hold_back(offer)
        else:
            self._place(offer)

    def _offer(self, offer: Offer, recovered: bool) -> None:
        self._offers[offer.task_id] = offer
        claim = self._claims.claim(offer.task_id)
        if claim is not None:
            self._claims.honour(offer)
            self._lease(offer, *claim)
        elif recovered and self._claims.awaits(offer.pool.kind):
            self._claims.hold_back(offer)
        else:
            self._place(offer)

    def _forget(self, offer: Offer) -> None:
        task_id = offer.task_id
        del self._offers[task_id]
        self._claims.settle(task_id)
        lease = offer.lease
        if lease is None or not self.leases.end(lease) or lease.over:
            self._queues.remove(offer)
            return
        session = self._sessions.get(lease.worker_id)
        if session is not None:
            session.revoke(lease)

    # -- matching ----------------------------------------------------------------------------

    async def poll(self, worker_id: str, pools: Iterable[Pool], timeout_s: float, lease_s: float) -> Lease | None:
        """Wait for a task that this worker can run, and lease it. None when there was none in time."""
        loop = asyncio.get_running_loop()
        poll = Poll(worker_id, tuple(pools), lease_s, loop.create_future())
        self.serve(poll)
        if poll.answer.done():
            return poll.answer.result()
        timer = loop.call_later(max(timeout_s, 0), poll.dismiss)
        try:
            return await poll.answer
        except asyncio.CancelledError:
            if (lease := poll.taken) is not None:
                self.give_back(lease)
            raise
        finally:
            timer.cancel()
            self._takers.remove(poll)

    def serve(self, taker: Taker) -> None:
        """Hand a taker what waits for it; while it has room for more, it is among those that wait."""
        if self._draining:
            taker.dismiss()
            return
        while taker.room > 0:
            offer = self._queues.take(taker.pools)
            if offer is None:
                self._takers.add(taker)
                return
            taker.take(self._lease(offer, taker.worker_id, taker.lease_s))
        self._takers.remove(taker)

    def give_back(self, lease: Lease) -> None:
        """The worker never got the task: offer it again."""
        if self.leases.end(lease) and (offer := self._offers.get(lease.task_id)):
            if self._claims.is_contested(lease.task_id):
                self._claims.hold_back(offer)
            else:
                self._place(offer, first=True)

    def _place(self, offer: Offer, *, first: bool = False) -> None:
        """Hand an offer to who waits, the last worker of its execution if that one waits, or queue it."""
        if self._withdrawn and offer.execution_id in self._withdrawn:
            self._take_back(offer)
            return
        if offer.task.handout is not OFFER:
            if offer.task.handout is Handout.STOP:
                # An answer is waited for that nobody is left to give.
                self._on_lost(Lease(offer.task_id, offer.execution_id, "", 0, 0), "no worker has it any more")
            return
        taker = self._takers.best(offer)
        if taker is None:
            self._queues.add(offer, first=first)
            return
        taker.take(self._lease(offer, taker.worker_id, taker.lease_s))
        if taker.room <= 0:
            self._takers.remove(taker)

    def _lease(self, offer: Offer, worker_id: str, lease_s: float) -> Lease:
        offer.lease = lease = self.leases.grant(
            offer.task_id, offer.execution_id, worker_id, lease_s, offer.longest_s, offer.silence_s
        )
        return lease

    def _waited_too_long(self, offer: Offer) -> None:
        self._on_limit(offer.execution_id, TimeOutTask(task_id=offer.task_id, limit=Limit.SCHEDULE_TO_START))

    # -- workers -----------------------------------------------------------------------------

    def hold(self, worker_id: str, task_ids: Iterable[str], lease_s: float) -> list[str]:
        """A worker says what it holds: renew these leases. The answer: those that it holds no longer.

        After a restart the word of the worker makes the lease again, also when it comes before the execution was
        read.
        """
        lost: list[str] = []
        for task_id in task_ids:
            offer = self._offers.get(task_id)
            lease = offer.in_hand if offer is not None else None
            if lease is not None and lease.worker_id == worker_id and not lease.over:
                self.leases.renew([lease])
            elif lease is None and offer is not None:
                self._queues.remove(offer)
                self._claims.honour(offer)
                self._lease(offer, worker_id, lease_s)
            elif offer is None and self._claims.awaits(Kind.OURS):
                self._claims.expect(task_id, worker_id, lease_s)
            else:
                lost.append(task_id)
        return lost

    def lose(self, lease: Lease, reason: str) -> None:
        """A worker does not have its task any more: it is lost at once."""
        if self.leases.end(lease):
            self._on_lost(lease, reason)

    def lose_all_of(self, worker_id: str, reason: str) -> None:
        """A worker is gone, and all that it held."""
        for lease in self.leases.of(worker_id):
            self.lose(lease, reason)

    def lose_again(self, lease: Lease, delay_s: float) -> None:
        """The loss could not be recorded: let it be noticed once more after a while."""
        offer = self._offers.get(lease.task_id)
        if offer is not None and offer.in_hand is None:
            offer.lease = self.leases.end_again(lease, delay_s)

    def open_gate(self, kind: Kind) -> None:
        """No other worker of a kind will claim a task from before the restart: offer those that are left, behind what
        is offered already.
        """
        for offer in self._claims.close(kind):
            self._number += 1
            offer.number = self._number
            self._place(offer)

    def attach(self, session: Session) -> None:
        """A worker has opened its stream."""
        self._sessions[session.worker_id] = session

    def detach(self, session: Session) -> None:
        """A worker's stream has ended. What it held, it holds until its lease ends."""
        self._takers.remove(session)
        if self._sessions.get(session.worker_id) is session:
            del self._sessions[session.worker_id]

    def dismiss(self, worker_id: str) -> None:
        """Let nothing of a worker wait any more: its process, or that of before, seems gone."""
        for taker in self._takers.of(worker_id):
            self._takers.remove(taker)
            taker.dismiss()

    def drain(self) -> None:
        """Answer whoever waits with nothing, and let no one wait any more."""
        self._draining = True
        for worker_id in self._takers.worker_ids:
            self.dismiss(worker_id)
        self.leases.close()
        self._queues.close()

    def _expired(self, lease: Lease) -> None:
        if not lease.overran:
            # Its worker may be gone, and the polls that it left here with it: it gets no more until it asks again.
            self.dismiss(lease.worker_id)
        if not (lease.overran or lease.silent):
            self._on_lost(lease, "its lease ended without a sign of life")
            return
        self.lose_again(lease, _LIMIT_RETRY_S)  # unless it is recorded, which forgets the task
        limit = Limit.START_TO_CLOSE if lease.overran else Limit.HEARTBEAT
        command = TimeOutTask(task_id=lease.task_id, limit=limit, worker_id=lease.worker_id)
        self._on_limit(lease.execution_id, command)


def _others(owed: dict[str, Offer], tasks: tuple[DispatchTask, ...]) -> list[str]:
    """The tasks that were owed and are not among these."""
    if len(tasks) == 1:  # as most executions have it
        only = tasks[0].task_id
        return [task_id for task_id in owed if task_id != only]
    now = {task.task_id for task in tasks}
    return [task_id for task_id in owed if task_id not in now]
