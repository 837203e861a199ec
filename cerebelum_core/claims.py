"""Claims: after a restart, tasks may be in hands that this Core forgot.

A task that was owed before is held back until the workers of its kind have said what they hold. A worker's word may
also come first, before the execution is read: it is kept until then.
"""

from __future__ import annotations

from cerebelum_core.offers import Kind, Offer


class Claims:
    """What is held back, and what workers claim of it. When every gate is open, it is empty and out of the way."""

    def __init__(self) -> None:
        self._recovering = set(Kind)
        self._held_back: dict[str, Offer] = {}
        self._early: dict[str, tuple[str, float]] = {}
        self._honoured: dict[str, Kind] = {}
        """Tasks that a worker has by its own word. Before the restart another may have been given them as well."""

    def __len__(self) -> int:
        return len(self._held_back)

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._held_back

    @property
    def held_back(self) -> list[Offer]:
        """The offers that wait, in the order in which they will be made."""
        return list(self._held_back.values())

    def awaits(self, kind: Kind) -> bool:
        """Whether workers of a kind may still claim what they had before the restart."""
        return kind in self._recovering

    def expect(self, task_id: str, worker_id: str, lease_s: float) -> None:
        """A worker claims a task that nobody is known to owe yet."""
        self._early[task_id] = (worker_id, lease_s)

    def claim(self, task_id: str) -> tuple[str, float] | None:
        """Which worker claimed a task before it was known, and for how long it then has it."""
        return self._early.pop(task_id, None) if self._early else None

    def hold_back(self, offer: Offer) -> None:
        """Keep an offer from all but the worker that may have it."""
        self._held_back[offer.task_id] = offer

    def honour(self, offer: Offer) -> None:
        """A worker has it by its own word."""
        self.settle(offer.task_id)
        if offer.pool.kind in self._recovering:
            self._honoured[offer.task_id] = offer.pool.kind

    def is_contested(self, task_id: str) -> bool:
        """Whether a task that its worker gives back may be claimed by another one yet."""
        return task_id in self._honoured

    def settle(self, task_id: str) -> None:
        """It is known who has it, or nobody owes it any more."""
        if self._held_back:
            self._held_back.pop(task_id, None)
        if self._honoured:
            self._honoured.pop(task_id, None)

    def close(self, kind: Kind) -> list[Offer]:
        """No worker of a kind claims anything any more: the offers that nobody claimed."""
        self._recovering.discard(kind)
        if kind is Kind.OURS:
            self._early.clear()
        self._honoured = {task_id: each for task_id, each in self._honoured.items() if each is not kind}
        left = [offer for offer in self._held_back.values() if offer.pool.kind is kind]
        for offer in left:
            del self._held_back[offer.task_id]
        return left
