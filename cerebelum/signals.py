"""Between a running step and its worker: signs of life one way, a cancellation the other. Safe from any thread."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from enum import Enum


class _Course(Enum):
    RUN = "run"
    STOP = "stop"
    DROP = "drop"


async def _nobody_to_tell() -> None:
    """A local run has no lease."""


class Signals:
    """What one try of a step tells its worker, and is told."""

    def __init__(self, tell: Callable[[], Awaitable[None]] = _nobody_to_tell) -> None:
        self._tell = tell
        self._course = _Course.RUN
        self._thread = threading.get_ident()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pulse: asyncio.Timeout | None = None
        self._limit_s = 0.0

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

    @contextlib.asynccontextmanager
    async def within(self, limit_s: float | None) -> AsyncGenerator[asyncio.Timeout, None]:
        """Interrupt the block when no sign of life comes for so long."""
        async with asyncio.timeout(limit_s) as pulse:
            self._loop, self._pulse, self._limit_s = asyncio.get_running_loop(), pulse, limit_s or 0.0
            try:
                yield pulse
            finally:
                self._pulse = None

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
        if threading.get_ident() == self._thread:
            self._renew()
        elif self.cancelled:
            raise asyncio.CancelledError("the step was told to stop")
        elif self._loop is not None:
            self._loop.call_soon_threadsafe(self._renew)
        return Beat(self._tell)

    def _renew(self) -> None:
        if self._pulse is not None and self._limit_s and not self._pulse.expired():
            self._pulse.reschedule(asyncio.get_running_loop().time() + self._limit_s)


class Beat:
    """What `heartbeat()` returns: await it in a coroutine, leave it in a thread."""

    def __init__(self, tell: Callable[[], Awaitable[None]]) -> None:
        self._tell = tell

    def __await__(self) -> Generator[object, None, None]:
        return self._tell().__await__()
