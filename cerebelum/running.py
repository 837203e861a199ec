"""One run of a step: the waits that are over and the one that it stops at, what it has kept, and whom it tells."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Coroutine
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from cerebelum.errors import MarkerMismatch, OutsideStep
from cerebelum_client import PayloadError, Payloads, Request, to_marker
from cerebelum_codegen.runtime import EncodeError, Timestamp
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker.worker_service_pb import SatisfiedMarker_Outcome, Task

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

    def is_cancelled(self) -> bool:
        """Whether the task that it runs in was cancelled."""


class _Alone:
    async def keep(self, key: str, value: Payload) -> Payload:
        return value

    async def report(self, percent: int, message: str) -> None:
        pass

    def is_cancelled(self) -> bool:
        return is_cancelled_here()


ALONE: Line = _Alone()
"""Of a step that runs for nobody: it keeps values for as long as it runs."""


def is_cancelled_here() -> bool:
    """Whether the task that this is called in was cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class LoopThread:
    """The loop that steps run on, and its thread. Who has many steps looks for them once: each look takes a call of the
    operating system.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.ident = threading.get_ident()


class Waits:
    """The waits of one run of a step, those that are over and the one that it stopped at; and what it has kept."""

    def __init__(self, task: Task, payloads: Payloads, line: Line, began_at: Timestamp, on: LoopThread) -> None:
        """Those of a run that began at an instant of the Core's clock."""
        self.satisfied = task.satisfied_markers
        self.payloads = payloads
        self.memos = dict(task.memos)
        self.line = line
        self.began_at = began_at
        self.position = 0
        self.repeated = 0
        """How many calls of `poll` and `retry` this run has come to."""
        self.suspended = False
        self.loop = on.loop
        self._began_s = on.loop.time()
        self._thread_id = on.ident
        self._asked: list[tuple[str, Coroutine[object, None, object]]] = []

    def now(self) -> datetime:
        """What time it is: by the Core's clock, so that it goes on from run to run, whichever workers they are on."""
        elapsed = timedelta(seconds=self.loop.time() - self._began_s)
        return self.began_at.to_datetime() + elapsed

    @property
    def in_thread(self) -> bool:
        """Whether this is called from the thread of a plain function."""
        return threading.get_ident() != self._thread_id

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
        if not self._asked:
            return ""
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
            PayloadError: what it asks for cannot travel.
        """
        if self.position == len(self.satisfied):
            try:
                to_marker(request).to_bytes()
            except EncodeError as error:
                raise PayloadError(f"what the step waits for cannot travel: {error}") from None
            self.suspended = True
            raise Suspend(request)
        self.position += 1
        outcome = self.satisfied[self.position - 1].outcome
        if outcome is None:
            raise MarkerMismatch(f"wait {self.position} of this step ended in a way that this version does not know")
        return outcome


current_waits: ContextVar[Waits | None] = ContextVar("cerebelum_waits", default=None)


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
