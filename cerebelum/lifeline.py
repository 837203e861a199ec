"""Between a running step and its worker: signs of life one way, a cancellation the other. Safe from any thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Generator
from enum import Enum
from math import inf
from types import TracebackType


class _Course(Enum):
    RUN = "run"
    STOP = "stop"
    DROP = "drop"


_PASS_ON_S = 2.0
"""The Core hears of signs of life at most so much later than they are given, and no more often."""


async def _nobody_to_tell() -> None:
    """A local run has no lease."""


def _nobody_to_hear(_: str) -> None:
    """Nor does anybody else limit its silence."""


class Lifeline:
    """What one try of a step tells its worker, and is told.

    `tell` tells the Core at once that the worker lives; `pass_on` tells it, soon, that the step of a task does.
    """

    _course = _Course.RUN
    _loop: asyncio.AbstractEventLoop | None = None
    _pulse: asyncio.Timeout | None = None
    _limit_s = 0.0
    _passed_on_at = -inf
    _passing_on: asyncio.TimerHandle | None = None

    def __init__(
        self,
        task_id: str = "",
        tell: Callable[[], Awaitable[None]] = _nobody_to_tell,
        pass_on: Callable[[str], None] = _nobody_to_hear,
        owner: asyncio.Task[None] | None = None,
        thread_id: int | None = None,
    ) -> None:
        """`owner` is the task of its worker: whoever cancels all tasks cancels this one too. `thread_id` is the thread
        of the loop: by default this one.
        """
        self._task_id = task_id
        self._tell = tell
        self._pass_on = pass_on
        self._owner = owner
        self._thread_id = threading.get_ident() if thread_id is None else thread_id

    # -- the worker's side -------------------------------------------------------------------

    def stop(self) -> None:
        """Tell the step to stop: it may clean up, and its outcome is waited for."""
        self._course = _Course.STOP

    def drop(self) -> None:
        """Tell the step to stop; nobody wants its outcome any more."""
        self._course = _Course.DROP

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop and is waited for."""
        return self._course is _Course.STOP

    @property
    def dropped(self) -> bool:
        """Whether nobody wants its outcome any more."""
        return self._course is _Course.DROP

    @property
    def interrupted(self) -> bool:
        """Whether a cancellation comes from its worker, or from whoever ends that. Else it is the step's own doing."""
        return self.cancelled or (self._owner is not None and (self._owner.done() or self._owner.cancelling() > 0))

    def within(self, limit_s: float | None) -> Pulse:
        """Interrupt the block when no sign of life comes for so long."""
        return Pulse(self, limit_s)

    def listen(self, pulse: asyncio.Timeout, limit_s: float) -> None:
        """Put a time limit off with every sign of life."""
        self._loop, self._pulse, self._limit_s = asyncio.get_running_loop(), pulse, limit_s

    def rest(self) -> None:
        """Listen no more."""
        self._pulse = None
        if self._passing_on is not None:
            self._passing_on.cancel()

    # -- the step's side ---------------------------------------------------------------------

    @property
    def cancelled(self) -> bool:
        """Whether it was told to stop."""
        return self._course is not _Course.RUN

    def beat(self) -> Beat:
        """A sign of life. Awaited, the Core is told at once.

        Raises:
            asyncio.CancelledError: in a thread, when the step was told to stop. A coroutine is cancelled by itself.
        """
        if threading.get_ident() == self._thread_id:
            self._renew()
        elif self.cancelled:
            raise asyncio.CancelledError("the step was told to stop")
        elif self._loop is not None:
            self._loop.call_soon_threadsafe(self._renew)
        return Beat(self._tell)

    def _renew(self) -> None:
        if self._pulse is None or not self._limit_s or self._pulse.expired():
            return
        loop = asyncio.get_running_loop()
        self._pulse.reschedule(loop.time() + self._limit_s)
        if self._passing_on is None:
            after_s = self._passed_on_at + min(self._limit_s / 2, _PASS_ON_S) - loop.time()
            self._passing_on = loop.call_later(max(after_s, 0), self._pass_it_on)

    def _pass_it_on(self) -> None:
        self._passing_on = None
        self._passed_on_at = asyncio.get_running_loop().time()
        self._pass_on(self._task_id)


class Pulse:
    """A block with a limit for the silence of a step."""

    def __init__(self, lifeline: Lifeline, limit_s: float | None) -> None:
        self._lifeline = lifeline
        self._limit_s = limit_s
        self._timeout = asyncio.timeout(limit_s)

    async def __aenter__(self) -> asyncio.Timeout:
        await self._timeout.__aenter__()
        self._lifeline.listen(self._timeout, self._limit_s or 0.0)
        return self._timeout

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lifeline.rest()
        await self._timeout.__aexit__(kind, error, trace)


class Beat:
    """What `heartbeat()` returns: await it in a coroutine, leave it in a thread."""

    def __init__(self, tell: Callable[[], Awaitable[None]] = _nobody_to_tell) -> None:
        self._tell = tell

    def __await__(self) -> Generator[object, None, None]:
        return self._tell().__await__()
