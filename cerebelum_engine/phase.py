"""Where a visit of a step stands."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Phase(Enum):
    """Where a visit of a step stands."""

    closed: bool
    """Whether this visit has its one recorded result."""
    open: bool
    """Whether this visit is under way."""

    READY = "ready"
    """A worker is owed the task, or has it."""
    RETRYING = "retrying"
    """A try failed; the next begins when its pause is over."""
    SLEEPING = "sleeping"
    AWAITING_APPROVAL = "awaiting_approval"
    AWAITING_SIGNAL = "awaiting_signal"
    DEAD_LETTERED = "dead_lettered"
    """It kept losing its workers; somebody must say that it may be tried again."""
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    """It was told to stop, and has."""
    SKIPPED = "skipped"
    """A rule passed over it."""
    FORGOTTEN = "forgotten"
    """A rule went back before it; what it had given is gone."""

    def __init__(self, word: str) -> None:
        self.closed = word in ("completed", "failed", "cancelled")
        self.open = not self.closed and word not in ("skipped", "forgotten")


READY: Final = Phase.READY
COMPLETED: Final = Phase.COMPLETED
DEAD_LETTERED: Final = Phase.DEAD_LETTERED
FORGOTTEN: Final = Phase.FORGOTTEN
"""What is asked for with every step. Python 3.11 reads a name of a module in a tenth of the time that a member of an
enum takes it.
"""
