"""What happens in an execution of a declared workflow, typed: each event with its place in the history and its time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeAlias, TypeVar

from cerebelum.results import ExecutionError
from cerebelum_proto.events.v1.events_pb import Event_Fact

_T_co = TypeVar("_T_co", covariant=True)


@dataclass(frozen=True, kw_only=True)
class Happening:
    """Something that happened."""

    version: int
    """Its place in the history, from 1."""
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Started(Happening, Generic[_T_co]):
    """The execution began."""

    inputs: _T_co


@dataclass(frozen=True, kw_only=True)
class StepCompleted(Happening, Generic[_T_co]):
    """A step gave its answer."""

    step: str
    output: _T_co


@dataclass(frozen=True, kw_only=True)
class StepFailed(Happening):
    """A step failed for good; a rule may lead on."""

    step: str
    error: ExecutionError


@dataclass(frozen=True, kw_only=True)
class AttemptFailed(Happening):
    """A try of a step failed, and there will be another."""

    step: str
    error: ExecutionError
    retry_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Sleeping(Happening):
    """A step sleeps."""

    step: str
    until: datetime | None


@dataclass(frozen=True, kw_only=True)
class ApprovalAsked(Happening, Generic[_T_co]):
    """A step asks people."""

    step: str
    question: _T_co
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class ApprovalAnswered(Happening, Generic[_T_co]):
    """Somebody answered."""

    step: str
    answer: _T_co
    decided_by: str


@dataclass(frozen=True, kw_only=True)
class ApprovalDenied(Happening):
    """Somebody said no."""

    step: str
    approval: str
    decided_by: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ApprovalExpired(Happening):
    """Nobody answered in time."""

    step: str
    approval: str


@dataclass(frozen=True, kw_only=True)
class Signalled(Happening, Generic[_T_co]):
    """A signal came; it is kept until a step waits for it."""

    signal: str
    signal_id: str
    payload: _T_co
    sent_by: str


@dataclass(frozen=True, kw_only=True)
class SignalAwaited(Happening):
    """A step waits for a signal."""

    step: str
    signal: str
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class SignalConsumed(Happening):
    """A step got the signal that it waited for."""

    step: str
    signal: str
    signal_id: str


@dataclass(frozen=True, kw_only=True)
class SignalWaitExpired(Happening):
    """No signal of the name came in time."""

    step: str
    signal: str


@dataclass(frozen=True, kw_only=True)
class Completed(Happening, Generic[_T_co]):
    """The execution ended, with this result."""

    result: _T_co


@dataclass(frozen=True, kw_only=True)
class Failed(Happening):
    """The execution failed."""

    error: ExecutionError


@dataclass(frozen=True, kw_only=True)
class Cancelled(Happening):
    """The execution was cancelled."""

    cancelled_by: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Other(Happening):
    """Anything else: the fact as the history keeps it."""

    fact: Event_Fact | None


Untyped: TypeAlias = (
    StepFailed
    | AttemptFailed
    | Sleeping
    | ApprovalDenied
    | ApprovalExpired
    | SignalAwaited
    | SignalConsumed
    | SignalWaitExpired
    | Failed
    | Cancelled
    | Other
)
"""The events that are the same for every workflow."""
