"""How far a running step is, for those who look at the status of its execution."""

from __future__ import annotations

from cerebelum.waits import running


class ProgressReporter:
    """Tells how far the step that runs here is. It is a sign of life too; the last word is shown, and kept nowhere."""

    def __init__(self) -> None:
        """Prepare to report.

        Raises:
            OutsideStep: no step runs here.
        """
        self._line = running("ProgressReporter").line
        self.percent = 0
        """What was told last."""

    async def update(self, percent: int, message: str = "") -> None:
        """Tell it: a number from 0 to 100, and a few words.

        Raises:
            ValueError: the number is none of these.
        """
        if not 0 <= percent <= 100:
            raise ValueError(f"progress is {percent}: give a percentage from 0 to 100")
        self.percent = percent
        await self._line.report(percent, message)
