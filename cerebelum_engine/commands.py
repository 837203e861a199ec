"""Commands: wishes about one execution. `decide` may reject each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_proto.types.v1.types_pb import Failure, Payload
from cerebelum_proto.worker.worker_service_markers import Marker


@dataclass(frozen=True, slots=True, kw_only=True)
class StartExecution:
    """Begin an execution of the state's blueprint. The same id, workflow and inputs again change nothing."""

    execution_id: str
    workflow: str
    inputs: Payload
    correlation_id: str = ""
    tags: Sequence[str] = ()
    timeout_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The step gave a value."""

    output: Payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The step did not succeed; the engine decides whether it is tried again."""

    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """The step asks to go on later.

    `resumable` tells whether its worker can continue after the marker. When it cannot,
    `fallback` stands for the step's result once a sleep is over.
    """

    marker: Marker
    resumable: bool = True
    fallback: Payload | None = None


Outcome: TypeAlias = Completed | Failed | Suspended


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordResult:
    """A worker hands in the outcome of a task."""

    task_id: str
    worker_id: str
    outcome: Outcome
    started_at: Timestamp | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoseTask:
    """A task's worker fell silent or went away: hand its step out again."""

    task_id: str
    worker_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FireTimers:
    """Let everything happen that is due by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approve:
    """Answer a waiting approval with yes. An empty `step` means the only one that waits."""

    step: str = ""
    response: Payload | None = None
    decided_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """Answer a waiting approval with no. An empty `step` means the only one that waits."""

    step: str = ""
    reason: str = ""
    decided_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """End the execution now."""

    reason: str = ""
    cancelled_by: str = ""


Command: TypeAlias = StartExecution | RecordResult | LoseTask | FireTimers | Approve | Reject | Cancel


class Reason(Enum):
    """Why a command was rejected."""

    ALREADY_EXISTS = "already_exists"
    """The execution id is taken by an execution of something else."""
    NOT_STARTED = "not_started"
    ENDED = "ended"
    DUPLICATE = "duplicate"
    """This very result is recorded already."""
    STALE = "stale"
    """The task has moved on."""
    NOT_DUE = "not_due"
    NOT_WAITING = "not_waiting"
    """No step (or not this one) waits for approval."""
    AMBIGUOUS = "ambiguous"
    """Several steps wait for approval and none was named."""
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Rejected:
    """The answer to a command that changed nothing, in words for the one who sent it."""

    reason: Reason
    message: str
