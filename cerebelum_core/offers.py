"""What is owed to workers, and what a worker must be able to run to be given it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import NamedTuple

from cerebelum_core.leases import Lease
from cerebelum_engine import DEFAULT_QUEUE, Blueprint, DispatchTask, State

_GRACE_S = 5.0
"""A worker stops its step itself when it runs too long or falls silent; only one that does not is cut off."""


class Kind(Enum):
    """Which contract a worker speaks, and by that which tasks it may have."""

    OURS = "ours"
    FOREIGN = "foreign"
    """The deployed one only: it announced nothing that it can do beyond."""


class Pool(NamedTuple):
    """What a worker must be able to run, a blueprint by its hash or for a foreign worker a step by its name; and the
    queue that it must serve.
    """

    blueprint_hash: str = ""
    step: str = ""
    queue: str = DEFAULT_QUEUE

    @property
    def kind(self) -> Kind:
        """Which workers run what is in it."""
        return Kind.FOREIGN if self.step else Kind.OURS


def pool_of(blueprint: Blueprint, task: DispatchTask) -> Pool:
    """What a worker must be able to run, and serve, to be given this task."""
    return Pool("", task.step, task.queue) if blueprint.foreign else Pool(blueprint.hash, "", task.queue)


@dataclass(slots=True)
class Offer:
    """A task that is owed. Waiting for a worker, or in the hands of one that has it by a lease."""

    task_id: str
    execution_id: str
    pool: Pool
    number: int
    """Its place in the order in which tasks were offered."""
    task: DispatchTask
    lease: Lease | None = None
    """By which a worker had it last."""

    @property
    def in_hand(self) -> Lease | None:
        """The lease by which a worker has it."""
        lease = self.lease
        return None if lease is None or lease.ended else lease

    def is_for(self, state: State, task: DispatchTask) -> bool:
        """Whether a task that is still owed is to be handed out as it was."""
        return self.task.handout is task.handout and self.pool == pool_of(state.blueprint, task)

    @property
    def longest_s(self) -> float:
        """How long a worker may have it."""
        return _limit_s(self.task.start_to_close_ms)

    @property
    def silence_s(self) -> float:
        """How long its step may give no sign of life."""
        return _limit_s(self.task.heartbeat_timeout_ms)


def offer_of(state: State, task: DispatchTask, number: int) -> Offer:
    """The offer of a task that an execution owes."""
    return Offer(task.task_id, state.execution_id, pool_of(state.blueprint, task), number, task)


def _limit_s(limit_ms: int) -> float:
    return limit_ms / 1000 + _GRACE_S if limit_ms else inf
