"""The marker serializer: between what a step asks for and the task result that carries it, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias, assert_never

from cerebelum_codegen.runtime import JsonValue
from cerebelum_proto.worker.worker_service_markers import Marker, attach, detach
from cerebelum_proto.worker.worker_service_pb import ApprovalRequest, SignalRequest, SleepRequest, TaskResult


@dataclass(frozen=True, slots=True)
class Sleep:
    """Go on after a while."""

    duration: timedelta
    data: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Approval:
    """Ask a person. Without a timeout it waits as long as it takes."""

    approval_type: str = "manual"
    data: Mapping[str, JsonValue] = field(default_factory=dict)
    timeout: timedelta | None = None


@dataclass(frozen=True, slots=True)
class SignalWait:
    """Wait for a signal. Without a timeout it waits as long as it takes."""

    name: str
    timeout: timedelta | None = None


Request: TypeAlias = Sleep | Approval | SignalWait
"""What a step can ask for instead of giving a result."""


def to_marker(request: Request) -> Marker:
    """A request as the contract's message. Spans are rounded up to whole milliseconds: never early."""
    match request:
        case Sleep(duration, data):
            return SleepRequest(duration_ms=milliseconds(duration), data=data or None)
        case Approval(approval_type, data, timeout):
            return ApprovalRequest(approval_type=approval_type, data=data or None, timeout_ms=_limit_ms(timeout))
        case SignalWait(name, timeout):
            return SignalRequest(name=name, timeout_ms=_limit_ms(timeout))
        case _:
            assert_never(request)


def from_marker(marker: Marker) -> Request:
    """The request that a message of the contract stands for."""
    match marker:
        case SleepRequest(duration_ms=duration_ms, data=data):
            return Sleep(timedelta(milliseconds=duration_ms), data or {})
        case ApprovalRequest(approval_type=approval_type, data=data, timeout_ms=timeout_ms):
            return Approval(approval_type, data or {}, _limit(timeout_ms))
        case SignalRequest(name=name, timeout_ms=timeout_ms):
            return SignalWait(name, _limit(timeout_ms))
        case _:
            assert_never(marker)


def write_marker(request: Request, result: TaskResult) -> None:
    """Put a request into a task result, with the status that goes with it."""
    attach(result, to_marker(request))


def read_marker(result: TaskResult) -> Request | None:
    """The request in a task result; None when its status is no marker's.

    Raises:
        DecodeError: the status speaks of a marker that is not there.
    """
    marker = detach(result)
    return None if marker is None else from_marker(marker)


def _limit_ms(timeout: timedelta | None) -> int:
    """A limit as the contract has it: 0 for none."""
    return max(1, milliseconds(timeout)) if timeout is not None else 0


def _limit(timeout_ms: int) -> timedelta | None:
    return timedelta(milliseconds=timeout_ms) if timeout_ms > 0 else None


def milliseconds(span: timedelta) -> int:
    """A span in whole milliseconds, rounded up, at least 0.

    Raises:
        TypeError: it is no timedelta.
    """
    if not isinstance(span, timedelta):
        raise TypeError(f"{span!r} is no duration: give a timedelta, as in timedelta(seconds=30)")
    whole, rest = divmod(span, timedelta(milliseconds=1))
    return max(0, whole + bool(rest))


def check_span(name: str, span: object) -> None:
    """See that an argument is a span.

    Raises:
        TypeError: it is no timedelta.
    """
    if not isinstance(span, timedelta):
        raise TypeError(f"{name} is {span!r}: give a timedelta, as in timedelta(seconds=30)")
