"""After a restart, tasks that may be in living hands wait until those hands have spoken.

Which hands these can be follows from the task: workers of our own contract and deployed ones never run each other's.
So each kind has a gate of its own. It opens once every worker of that kind that was known has spoken, or after its
lease: by then a silent worker has lost its task anyhow.

A worker that died with an earlier Core, in its process or on its machine, never speaks again. What it had in hand is
lost with it, as when a lease ends, though nothing durable tells what that was: to hand out is no event. But after a
restart tasks are handed out in the order in which they are read. So what counts as lost is the first that it could run,
as many as it runs at once: a step that kills both is among them as soon as those before it get on no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from cerebelum_core.offers import Kind, Offer
from cerebelum_core.workers import Worker
from cerebelum_engine import OFFER, LoseTask

_TOGETHER = "the process that it shared with its Core is gone"
_BESIDE = "its worker has not come back since the Core was restarted"


class RecoveryGates:
    """The gates of one Core, one for each kind of worker."""

    def __init__(self, on_open: Callable[[Kind], None]) -> None:
        self._gates = {kind: _Gate(partial(on_open, kind)) for kind in Kind}

    def expect(self, worker_ids: Mapping[Kind, Sequence[str]], at_most_s: Mapping[Kind, float]) -> None:
        """Wait for these workers, but not for longer."""
        for kind, gate in self._gates.items():
            gate.expect(worker_ids[kind], at_most_s[kind])

    def spoke(self, worker_id: str) -> None:
        """A worker has said what it holds."""
        for gate in self._gates.values():
            gate.spoke(worker_id)

    def all_read(self) -> None:
        """Every execution that owes a task has been read."""
        for gate in self._gates.values():
            gate.all_read()

    def close(self) -> None:
        """Stay as it is: the Core stops."""
        for gate in self._gates.values():
            gate.close()

    @property
    def expected(self) -> frozenset[str]:
        """The workers that are still waited for."""
        return frozenset().union(*(gate.expected for gate in self._gates.values()))


class _Gate:
    def __init__(self, on_open: Callable[[], None]) -> None:
        self.expected: set[str] = set()
        self._on_open = on_open
        self._all_read = False
        self._waited = False
        self._is_open = False
        self._timer: asyncio.TimerHandle | None = None

    def expect(self, worker_ids: Sequence[str], at_most_s: float) -> None:
        self.expected = set(worker_ids)
        self._timer = asyncio.get_running_loop().call_later(at_most_s, self._time_over)

    def spoke(self, worker_id: str) -> None:
        self.expected.discard(worker_id)
        self._try_open()

    def all_read(self) -> None:
        self._all_read = True
        self._try_open()

    def close(self) -> None:
        self._is_open = True
        self.expected.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _time_over(self) -> None:
        self._waited = True
        self._try_open()

    def _try_open(self) -> None:
        if self._is_open or not self._all_read or (self.expected and not self._waited):
            return
        self.close()
        self._on_open()


def lost_with(gone: Sequence[Worker], waiting: Iterable[Offer]) -> Iterator[tuple[str, LoseTask]]:
    """What these workers had in hand, as far as can be known, of the tasks that wait in this order: by execution."""
    room = [worker.registration.concurrency for worker in gone]
    for offer in waiting:
        if offer.task.handout is not OFFER:
            continue
        for number, worker in enumerate(gone):
            if room[number] > 0 and offer.pool in worker.pools:
                room[number] -= 1
                reason = _TOGETHER if worker.registration.node_id else _BESIDE
                yield (
                    offer.execution_id,
                    LoseTask(task_id=offer.task_id, worker_id=worker.registration.worker_id, reason=reason),
                )
                break
