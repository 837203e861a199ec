"""`sleep`, `wait_for_approval` and `memo`: a step ends with a marker and is handed out again once it is satisfied.

On that next run the nth wait returns at once, and the code after it goes on. Code before it runs again.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeVar, assert_never, cast, overload

from cerebelum.errors import ApprovalRejected, ApprovalTimedOut, MarkerMismatch, OutsideStep
from cerebelum_client import Approval, Payloads, Request, Sleep
from cerebelum_client.annotations import hints_of
from cerebelum_codegen.runtime import JsonValue, Timestamp
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker.worker_service_pb import (
    ApprovalDecision,
    ApprovalTimeout,
    SatisfiedMarker,
    SatisfiedMarker_Outcome,
    SleepElapsed,
)

_T = TypeVar("_T")


class Suspend(BaseException):
    """Ends a run of a step that waits. It is no `Exception`, so that `except Exception` lets it through.

    Let it pass: the step goes on after its wait. A step that swallows it fails.
    """

    def __init__(self, request: Request) -> None:
        super().__init__("the step waits; let this pass, and it goes on here once the wait is over")
        self.request = request


class Line(Protocol):
    """What a running step can tell whoever it runs for."""

    async def keep(self, key: str, value: Payload) -> Payload:
        """Keep a value under a key, and tell what is kept: what came first."""

    async def report(self, percent: int, message: str) -> None:
        """Tell how far it is."""


class _Alone:
    async def keep(self, key: str, value: Payload) -> Payload:
        return value

    async def report(self, percent: int, message: str) -> None:
        pass


ALONE: Line = _Alone()
"""Of a step that runs for nobody: it keeps values for as long as it runs."""


@dataclass(slots=True)
class Waits:
    """The waits of one run of a step, those that are over and the one that it stopped at; and what it has kept."""

    satisfied: list[SatisfiedMarker]
    payloads: Payloads
    memos: dict[str, Payload]
    line: Line
    began_at: Timestamp
    """When this run began, by the Core's clock."""
    position: int = 0
    repeated: int = 0
    """How many calls of `poll` and `retry` this run has come to."""
    suspended: bool = False
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _began_s: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    _thread: int = field(default_factory=threading.get_ident)
    _asked: list[tuple[str, Coroutine[object, None, object]]] = field(default_factory=list)

    def now(self) -> datetime:
        """What time it is: by the Core's clock, so that it goes on from run to run, whichever workers they are on."""
        elapsed = timedelta(seconds=self.loop.time() - self._began_s)
        return self.began_at.to_datetime() + elapsed

    @property
    def in_thread(self) -> bool:
        """Whether this is called from the thread of a plain function."""
        return threading.get_ident() != self._thread

    def asked(self, name: str, asking: Coroutine[object, None, _T]) -> Coroutine[object, None, _T]:
        """Note what the step is to await.

        Raises:
            OutsideStep: it cannot: it is a plain function.
        """
        if self.in_thread:
            asking.close()
            raise OutsideStep(
                f"{name}() was called in a plain `def`, which runs in a thread and cannot be put down: "
                f"make the step an `async def`, and `await {name}(...)`"
            )
        self._asked.append((name, asking))
        return asking

    def forgotten(self) -> str:
        """The name of something that the step asked for and never awaited, so that it did not happen."""
        never = [
            (name, asking) for name, asking in self._asked if inspect.getcoroutinestate(asking) == inspect.CORO_CREATED
        ]
        for _, asking in never:
            asking.close()
        return never[0][0] if never else ""

    def next(self, request: Request) -> SatisfiedMarker_Outcome:
        """How the nth wait ended.

        Raises:
            Suspend: it has not ended.
        """
        if self.position == len(self.satisfied):
            self.suspended = True
            raise Suspend(request)
        self.position += 1
        outcome = self.satisfied[self.position - 1].outcome
        if outcome is None:
            raise MarkerMismatch(f"wait {self.position} of this step ended in a way that this version does not know")
        return outcome


current_waits: ContextVar[Waits | None] = ContextVar("cerebelum_waits", default=None)


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
    """
    span = duration if isinstance(duration, timedelta) else timedelta(seconds=duration)
    if span < timedelta(0):
        raise ValueError(f"cannot sleep for {span}: a duration is not negative")
    waits = running("sleep")
    return waits.asked("sleep", _sleep(waits, Sleep(span, data or {})))


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
    """
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
        case SleepElapsed():
            raise _mismatch("wait_for_approval()", outcome)
        case _:
            assert_never(outcome)


def running(name: str) -> Waits:
    """The waits of the step that runs here.

    Raises:
        OutsideStep: none does.
    """
    waits = current_waits.get()
    if waits is None:
        raise OutsideStep(
            f"{name}() was called where no step runs: call it in a step that a workflow runs; "
            "in a unit test of a single step, run a workflow of that step with execute()"
        )
    return waits


def _mismatch(asked: str, outcome: SatisfiedMarker_Outcome) -> MarkerMismatch:
    return MarkerMismatch(
        f"the step called {asked} where on its last run something ended as {type(outcome).__name__}: "
        "its waits must come in the same order on every run"
    )
