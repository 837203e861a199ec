"""Leases: who has which task, and until when. Memory only: after a restart, living workers say what they hold."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass
from math import inf

from cerebelum_proto.worker.worker_service_pb import StepProgress

_HEARING_S = 1.0
"""A timer that is so late tells that this process stood still, and for so long it then listens first."""


@dataclass(slots=True)
class Lease:
    """A task in a worker's hands."""

    task_id: str
    execution_id: str
    worker_id: str
    length_s: float
    expires_at: float
    """By the loop's clock, which no one can set back."""
    ends_by: float = inf
    """No renewal reaches beyond: its step may not run longer."""
    silence_s: float = inf
    """How long its step may give no sign of life."""
    silent_at: float = inf
    """When it has given none for so long."""
    since: float = 0.0
    """When it was granted."""
    progress: StepProgress | None = None
    """How far its step is, as it says itself."""
    over: bool = False
    """Nobody has the task any more: this is kept until the loss of it is recorded, and nothing renews it."""
    settling: bool = False
    """The result of its worker is being recorded, which ends it."""
    ended: bool = False
    """It does not count any more."""

    @property
    def overran(self) -> bool:
        """Whether its step ran for longer than it may."""
        return asyncio.get_running_loop().time() >= self.ends_by

    @property
    def silent(self) -> bool:
        """Whether its step has given no sign of life for longer than it may."""
        return asyncio.get_running_loop().time() >= self.silent_at

    def extend(self, now: float) -> None:
        """Let it last for its length from now, within its limits."""
        if self.over:
            return
        ends = now + self.length_s
        ends = min(ends, self.ends_by)
        self.expires_at = ends if ends < self.silent_at else self.silent_at


class Leases:
    """Every lease. One timer looks at the worker whose leases may end first; what ends in time costs no entry of its
    own.
    """

    def __init__(self, on_expired: Callable[[Lease], None]) -> None:
        self._on_expired = on_expired
        self._loops_time: Callable[[], float] | None = None
        self._by_worker: dict[str, dict[str, Lease]] = {}
        self._looks: list[tuple[float, str]] = []
        self._look_at: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._resumed_at = -inf
        """When this process was last found to have stood still."""

    def __len__(self) -> int:
        return sum(map(len, self._by_worker.values()))

    def of(self, worker_id: str) -> list[Lease]:
        """Everything that a worker holds."""
        return [lease for lease in self._by_worker.get(worker_id, {}).values() if not lease.over]

    def grant(
        self,
        task_id: str,
        execution_id: str,
        worker_id: str,
        length_s: float,
        longest_s: float = inf,
        silence_s: float = inf,
    ) -> Lease:
        """Give a task to a worker, for `longest_s` at most however often it is renewed.

        It ends also when its step gives no sign of life for `silence_s`.
        """
        now = self._now()
        lasts_s = min(length_s, longest_s)
        ends_at = now + (lasts_s if lasts_s < silence_s else silence_s)
        return self._keep(
            Lease(task_id, execution_id, worker_id, length_s, ends_at, now + longest_s, silence_s, now + silence_s, now)
        )

    def end_again(self, lease: Lease, delay_s: float) -> Lease:
        """Its end could not be recorded: let it end once more after a while. Whoever had it has it no more."""
        again = copy(lease)
        again.ended = again.settling = False
        again.expires_at, again.over = self._now() + delay_s, True
        return self._keep(again)

    def _keep(self, lease: Lease) -> Lease:
        self._by_worker.setdefault(lease.worker_id, {})[lease.task_id] = lease
        self._look(lease.worker_id, lease.expires_at)
        return lease

    def renew(self, leases: Iterable[Lease]) -> None:
        """Their worker gave a sign of life."""
        now = self._now()
        for lease in leases:
            lease.extend(now)

    def beat(self, worker_id: str, task_ids: Iterable[str]) -> None:
        """Steps of a worker gave a sign of life."""
        now, held = self._now(), self._by_worker.get(worker_id, {})
        for lease in [held[task_id] for task_id in task_ids if task_id in held]:
            lease.silent_at = now + lease.silence_s
            lease.extend(now)

    def end(self, lease: Lease) -> bool:
        """Take its task out of its worker's hands. Whether it was in them, by this lease."""
        if lease.ended:
            return False
        lease.ended = True
        held = self._by_worker[lease.worker_id]
        del held[lease.task_id]
        if not held:
            del self._by_worker[lease.worker_id]
        return True

    def close(self) -> None:
        """Let no further lease end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._looks.clear()
        self._look_at.clear()

    def _look(self, worker_id: str, at: float) -> None:
        """Look at a worker's leases at this time, or before."""
        if at < self._look_at.get(worker_id, inf):
            self._look_at[worker_id] = at
            heapq.heappush(self._looks, (at, worker_id))
            self._arm()

    def _arm(self) -> None:
        at = max(self._looks[0][0], self._resumed_at + _HEARING_S) if self._looks else inf
        if self._timer is not None and self._timer.when() <= at:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._looks:
            self._timer = asyncio.get_running_loop().call_at(at, self._expire)

    def _stood_still(self, now: float) -> bool:
        """Whether this process was stopped for a while: what workers said meanwhile is still to be read."""
        due = self._looks[0][0] if self._looks else now
        if now - due > _HEARING_S and due > self._resumed_at:
            self._resumed_at = now
        return now < self._resumed_at + _HEARING_S

    def _expire(self) -> None:
        self._timer = None
        now = self._now()
        if self._stood_still(now):
            self._arm()
            return
        expired: list[Lease] = []
        while self._looks and self._looks[0][0] <= now:
            at, worker_id = heapq.heappop(self._looks)
            if self._look_at.get(worker_id) != at:
                continue  # it was looked at before
            del self._look_at[worker_id]
            held = self._by_worker.get(worker_id, {}).values()
            expired += [lease for lease in held if lease.expires_at <= now]
            later = min((lease.expires_at for lease in held if lease.expires_at > now), default=None)
            if later is not None:
                self._look(worker_id, later)
        self._arm()
        for lease in expired:
            if self.end(lease):
                self._on_expired(lease)

    def _now(self) -> float:
        if self._loops_time is None:
            self._loops_time = asyncio.get_running_loop().time  # which is the same ever after, and is asked for often
        return self._loops_time()
