"""How far a running step is, for those who look at the status of its execution."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from cerebelum.lifeline import Beat
from cerebelum.running import Line, running


class ProgressReporter:
    """Tells how far the step that runs here is. It is a sign of life too; the last word is shown, and kept nowhere."""

    def __init__(self) -> None:
        """Prepare to report.

        Raises:
            OutsideStep: no step runs here.
        """
        self._waits = running("ProgressReporter")
        self.percent = 0
        """What was told last."""

    def update(self, percent: int, message: str = "") -> Awaitable[None]:
        """Tell it: a number from 0 to 100, and a few words. A plain `def`, which runs in a thread, does not await it.

        Raises:
            ValueError: the number is none of these.
        """
        if not 0 <= percent <= 100:
            raise ValueError(f"progress is {percent}: give a percentage from 0 to 100")
        self.percent = percent
        waits = self._waits
        telling = _tell(waits.line, percent, message)
        if not waits.in_thread:
            return waits.asked("update", telling)
        asyncio.run_coroutine_threadsafe(telling, waits.loop)
        return Beat()


async def _tell(line: Line, percent: int, message: str) -> None:
    # A coroutine of the interpreter's own, wherever the line is compiled: it can be asked whether it was awaited.
    await line.report(percent, message)
