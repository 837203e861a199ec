"""Commands: wishes about one execution. `decide` may reject each of them.

Nobody changes one. They are not frozen: a frozen class sets each member by a call, and every step makes some.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_proto.events.v1.events_pb import Event
from cerebelum_proto.types.v1.types_pb import Failure, Payload, RetryPolicy
from cerebelum_proto.worker.worker_service_markers import Marker
from cerebelum_proto.worker.worker_service_pb import Blueprint, Predicates


@dataclass(slots=True, kw_only=True)
class StartExecution:
    """Begin an execution of the state's blueprint. The same id, workflow and inputs again change nothing."""

    execution_id: str
    workflow: str
    inputs: Payload
    correlation_id: str = ""
    tags: Sequence[str] = ()
    timeout_ms: int = 0
    queue: str = ""
    """Where all of its steps go; empty leaves it to the blueprint."""
    retries: Mapping[str, RetryPolicy] = field(default_factory=dict)
    """By step: how it is tried again, in place of what the blueprint says."""


@dataclass(slots=True, kw_only=True)
class Completed:
    """The step gave a value."""

    output: Payload


@dataclass(slots=True, kw_only=True)
class Failed:
    """The step did not succeed; the engine decides whether it is tried again."""

    failure: Failure


@dataclass(slots=True, kw_only=True)
class Suspended:
    """The step asks to go on later.

    `resumable` tells whether its worker can continue after the marker. When it cannot,
    `fallback` stands for the step's result once a sleep is over.
    """

    marker: Marker
    resumable: bool = True
    fallback: Payload | None = None


Outcome: TypeAlias = Completed | Failed | Suspended


@dataclass(slots=True, kw_only=True)
class RecordResult:
    """A worker hands in the outcome of a task."""

    task_id: str
    worker_id: str
    outcome: Outcome
    started_at: Timestamp | None = None
    predicates: Predicates | None = None
    """What its worker says about the conditions that only it can evaluate."""


@dataclass(slots=True, kw_only=True)
class RecordMemo:
    """A running step keeps a value. What it has kept under the same key before stays."""

    task_id: str
    worker_id: str
    key: str
    value: Payload


@dataclass(slots=True, kw_only=True)
class LoseTask:
    """A task's worker fell silent or went away: hand its step out again."""

    task_id: str
    worker_id: str
    reason: str


class Limit(Enum):
    """A policy's limit that a task has come up against."""

    START_TO_CLOSE = "timeout"
    """A worker has had it for too long."""
    SCHEDULE_TO_START = "schedule_to_start_timeout"
    """No worker took it in time."""
    HEARTBEAT = "heartbeat_timeout"
    """A worker has it, and its step gives no sign of life."""


@dataclass(slots=True, kw_only=True)
class TimeOutTask:
    """A task came up against a limit of its step's policy. An empty `worker_id`: nobody has it."""

    task_id: str
    limit: Limit
    worker_id: str = ""


@dataclass(slots=True, kw_only=True)
class FireTimers:
    """Let everything happen that is due by now."""


@dataclass(slots=True, kw_only=True)
class Approve:
    """Answer a waiting approval with yes. An empty `step` means the only one that waits."""

    step: str = ""
    response: Payload | None = None
    decided_by: str = ""
    task_id: str = ""
    """The task whose question this answers, and no other; empty answers whatever is asked."""


@dataclass(slots=True, kw_only=True)
class Reject:
    """Answer a waiting approval with no. An empty `step` means the only one that waits."""

    step: str = ""
    reason: str = ""
    decided_by: str = ""
    task_id: str = ""
    """The task whose question this answers, and no other; empty answers whatever is asked."""


@dataclass(slots=True, kw_only=True)
class SendSignal:
    """A message from outside, for the first step that waits for its name. The same id again changes nothing."""

    signal_id: str
    name: str
    payload: Payload | None = None
    sent_by: str = ""


@dataclass(slots=True, kw_only=True)
class Cancel:
    """End the execution, once the steps that run have cleaned up."""

    reason: str = ""
    cancelled_by: str = ""
    cleanup_ms: int = 0
    """How long they may take; 0 takes the default."""
    in_hand: frozenset[str] = frozenset()
    """The tasks that workers have, or may have: those that there is something to wait for."""


@dataclass(slots=True, kw_only=True)
class Terminate:
    """End the execution now, whatever runs."""

    reason: str = ""
    terminated_by: str = ""


@dataclass(slots=True, kw_only=True)
class Pause:
    """Hand out nothing new. What runs may finish, timers go on, decisions are taken."""

    reason: str = ""
    paused_by: str = ""


@dataclass(slots=True, kw_only=True)
class Resume:
    """Go on after a pause."""

    resumed_by: str = ""


@dataclass(slots=True, kw_only=True)
class Redrive:
    """Hand a dead-lettered step out again. An empty `step` means all of them."""

    step: str = ""
    redriven_by: str = ""


@dataclass(slots=True, kw_only=True)
class Retry:
    """Let a failed execution go on with its failed steps."""

    retried_by: str = ""


@dataclass(slots=True, kw_only=True)
class Fork:
    """Begin an execution with the history of another one, until this step had its say there.

    An empty `step` means the one that failed.
    """

    execution_id: str
    origin: str
    history: Sequence[Event]
    step: str = ""
    forked_by: str = ""


@dataclass(slots=True, kw_only=True)
class Migrate:
    """Follow another blueprint from here on, if the whole history would have been the same under it."""

    blueprint: Blueprint
    history: Sequence[Event]
    migrated_by: str = ""


Begin: TypeAlias = StartExecution | Fork
"""What an execution begins with."""

Wish: TypeAlias = (
    StartExecution
    | RecordResult
    | RecordMemo
    | LoseTask
    | TimeOutTask
    | FireTimers
    | Approve
    | Reject
    | SendSignal
    | Cancel
    | Terminate
    | Pause
    | Resume
    | Redrive
    | Retry
    | Migrate
)
"""What adds facts of its own time."""
Command: TypeAlias = Wish | Fork
"""A fork alone brings facts of another history."""


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
    CANCELLING = "cancelling"
    NOT_PAUSED = "not_paused"
    NOT_DEAD_LETTERED = "not_dead_lettered"
    NOT_FAILED = "not_failed"
    """Only a failed execution can be retried."""
    DISAGREES = "disagrees"
    """The history would have been another under the other blueprint."""
    EXHAUSTED = "exhausted"
    """The execution keeps as many signals as it may."""
    INVALID = "invalid"


@dataclass(slots=True)
class Rejected:
    """The answer to a command that changed nothing, in words for the one who sent it."""

    reason: Reason
    message: str
