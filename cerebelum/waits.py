"""`sleep`, `wait_for_approval`, `wait_for_signal` and `memo`.

A step that waits ends with a marker, and is handed out again once it is satisfied. On that next run the nth wait
returns at once, and the code after it goes on. Code before it runs again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar, assert_never, cast, overload

from cerebelum.errors import ApprovalRejected, ApprovalTimedOut, MarkerMismatch, SignalTimedOut
from cerebelum.running import Waits, running
from cerebelum_client import Approval, SignalWait, Sleep
from cerebelum_client.annotations import hints_of
from cerebelum_client.plain import check_texts
from cerebelum_codegen.runtime import JsonValue, Timestamp
from cerebelum_proto.worker.worker_service_pb import (
    ApprovalDecision,
    ApprovalTimeout,
    SatisfiedMarker_Outcome,
    Signal,
    SignalTimeout,
    SleepElapsed,
)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's yes."""

    decided_by: str
    """Who decided, as the approver told."""
    decided_at: datetime
    response: object = None
    """What came with it."""


def sleep(duration: timedelta | float, data: Mapping[str, JsonValue] | None = None) -> Coroutine[object, None, None]:
    """Go on after a while: a timedelta, or seconds. While it lasts, nothing of the step is in memory anywhere.

    The step runs again from its first line afterwards, and this call then returns at once. `data` is shown to
    operators meanwhile.

    Raises:
        OutsideStep: no step runs here.
        ValueError: the duration is negative or no number.
        TypeError: it is neither a timedelta nor seconds.
    """
    span = duration if isinstance(duration, timedelta) else _seconds(duration)
    if span < timedelta(0):
        raise ValueError(f"cannot sleep for {span}: a duration is not negative")
    waits = running("sleep")
    return waits.asked("sleep", _sleep(waits, Sleep(span, data or {})))


def _seconds(duration: float) -> timedelta:
    try:
        return timedelta(seconds=duration)
    except TypeError:
        raise TypeError(f"cannot sleep for {duration!r}: give a timedelta, or seconds") from None
    except (ValueError, OverflowError):
        raise ValueError(f"cannot sleep for {duration!r} seconds: no timedelta is as long as that") from None


async def _sleep(waits: Waits, request: Sleep) -> None:
    outcome = waits.next(request)
    if not isinstance(outcome, SleepElapsed):
        raise _mismatch("sleep()", outcome)


@overload
def memo(key: str, make: Callable[[], Awaitable[_T]]) -> Coroutine[object, None, _T]: ...


@overload
def memo(key: str, make: Callable[[], _T]) -> Coroutine[object, None, _T]: ...


def memo(key: str, make: Callable[[], Awaitable[_T] | _T]) -> Coroutine[object, None, _T]:
    """The value that `make` gives, computed once: a step that runs again, after a wait, a failed try or the death of
    its worker, finds it under the key.

    It is durable when this returns. `make` may run twice when its worker dies in between, and what it gives must be
    able to travel; it comes back as the return annotation of `make` says. A new visit of the step begins without it.

    Raises:
        OutsideStep: no step runs here.
        PayloadError: the value cannot travel.
        TypeError, ValueError: the key is no text, or empty.
    """
    check_texts("a memo", key=key)
    if not key:
        raise ValueError("a memo: its key is empty: name what is kept")
    waits = running("memo")
    return waits.asked("memo", _memo(waits, key, make))


async def _memo(waits: Waits, key: str, make: Callable[[], Awaitable[_T] | _T]) -> _T:
    if key not in waits.memos:
        made = make()
        value = await made if isinstance(made, Awaitable) else made
        waits.memos[key] = await waits.line.keep(key, waits.payloads.write(value))
    return cast("_T", waits.payloads.read(waits.memos[key], hints_of(make).get("return", object)))


def wait_for_approval(
    approval_type: str = "manual",
    data: Mapping[str, JsonValue] | None = None,
    *,
    timeout: timedelta | None = None,
) -> Coroutine[object, None, Decision]:
    """Ask a person, and go on with the decision: who, when and what.

    The step runs again from its first line once somebody has decided, and this call then returns at once. `data` is
    what the approver is shown. Without a timeout it waits as long as it takes.

    Raises:
        ApprovalRejected: somebody said no.
        ApprovalTimedOut: nobody decided in time.
        OutsideStep: no step runs here.
    """
    return decision_on(Approval(approval_type, data or {}, timeout))


def decision_on(approval: Approval, annotation: object = object) -> Coroutine[object, None, Decision]:
    """What somebody decides, whose response comes as the annotation says.

    Raises:
        ApprovalRejected, ApprovalTimedOut, OutsideStep: as `wait_for_approval`.
    """
    waits = running("wait_for_approval")
    return waits.asked("wait_for_approval", _decision(waits, approval, annotation))


async def _decision(waits: Waits, approval: Approval, annotation: object) -> Decision:
    outcome = waits.next(approval)
    match outcome:
        case ApprovalDecision(approved=True):
            decided_at = (outcome.decided_at or Timestamp()).to_datetime()
            return Decision(outcome.decided_by, decided_at, waits.payloads.read(outcome.response, annotation))
        case ApprovalDecision():
            raise ApprovalRejected(outcome.decided_by, outcome.reason)
        case ApprovalTimeout():
            raise ApprovalTimedOut("nobody decided in time")
        case SleepElapsed() | Signal() | SignalTimeout():
            raise _mismatch("wait_for_approval()", outcome)
        case _:
            assert_never(outcome)


@overload
def wait_for_signal(name: str, *, timeout: timedelta | None = None) -> Coroutine[object, None, object]: ...


@overload
def wait_for_signal(name: str, kind: type[_T], *, timeout: timedelta | None = None) -> Coroutine[object, None, _T]: ...


def wait_for_signal(
    name: str, kind: object = object, *, timeout: timedelta | None = None
) -> Coroutine[object, None, object]:
    """Go on with the next signal of this name that is sent to the execution: what came with it, as a `kind`.

    One that came before anybody waited is there at once, the oldest first, and each is given to one wait only. While
    it lasts, nothing of the step is in memory anywhere; the step runs again from its first line once the signal has
    come, and this call then returns at once. Without a timeout it waits as long as it takes.

    Raises:
        SignalTimedOut: none came in time.
        OutsideStep: no step runs here.
        PayloadError: what came is no `kind`.
        ValueError: the name is empty.
    """
    if not name:
        raise ValueError("a signal has a name: wait_for_signal('paid')")
    waits = running("wait_for_signal")
    return waits.asked("wait_for_signal", _signal(waits, SignalWait(name, timeout), kind))


async def _signal(waits: Waits, request: SignalWait, kind: object) -> object:
    asked = f"wait_for_signal({request.name!r})"
    outcome = waits.next(request)
    match outcome:
        case Signal(name=request.name):
            return waits.payloads.read(outcome.payload, kind)
        case SignalTimeout():
            raise SignalTimedOut(f"no signal '{request.name}' came in time")
        case Signal() | SleepElapsed() | ApprovalDecision() | ApprovalTimeout():
            raise _mismatch(asked, outcome)
        case _:
            assert_never(outcome)


def _mismatch(asked: str, outcome: SatisfiedMarker_Outcome) -> MarkerMismatch:
    ended = f"signal '{outcome.name}'" if isinstance(outcome, Signal) else type(outcome).__name__
    return MarkerMismatch(
        f"the step called {asked} where on its last run something ended as {ended}: "
        "its waits must come in the same order on every run"
    )
