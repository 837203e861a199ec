"""Effects: work owed to the outside. They derive from the state and are remembered nowhere else.

Like commands, they are values that are not frozen.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine.queues import DEFAULT_QUEUE


class Handout(Enum):
    """What is to become of a task that is owed."""

    OFFER = "offer"
    """Hand it to a worker."""
    KEEP = "keep"
    """The execution is paused: a worker that has it may finish, nobody else gets it."""
    STOP = "stop"
    """The execution is being cancelled: a worker that has it is told to stop, and its answer is waited for."""


OFFER: Final = Handout.OFFER
"""What is asked for with every step, see `phase`."""


@dataclass(slots=True, kw_only=True)
class DispatchTask:
    """A step for a worker. The task id changes whenever an earlier handout must no longer count."""

    task_id: str
    step: str
    queue: str = DEFAULT_QUEUE
    """Only a worker that serves it gets the task."""
    last_worker_id: str = ""
    """Who ran this step or the one before it: the best choice while that worker is free."""
    handout: Handout = OFFER
    unclaimed_at: Timestamp | None = None
    """Send `TimeOutTask` when no worker has it by then."""
    start_to_close_ms: int = 0
    """Send `TimeOutTask` when a worker has it for longer; 0 for no limit."""
    heartbeat_timeout_ms: int = 0
    """Send `TimeOutTask` when a worker has it and its step gives no sign of life for longer; 0 for no limit."""


@dataclass(slots=True, kw_only=True)
class ArmTimer:
    """Send `FireTimers` when `due_at` has come. An empty `step` is the whole execution's."""

    due_at: Timestamp
    step: str = ""


@dataclass(slots=True, kw_only=True)
class AwaitApproval:
    """A person is asked. Nothing to do but to show it."""

    step: str
    approval_type: str


@dataclass(slots=True, kw_only=True)
class AwaitSignal:
    """A step waits for a message from outside. Nothing to do but to show it."""

    step: str
    name: str


Effect: TypeAlias = DispatchTask | ArmTimer | AwaitApproval | AwaitSignal
