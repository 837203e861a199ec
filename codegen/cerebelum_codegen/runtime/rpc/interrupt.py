"""A way to end other tasks' waiting with an error, that leaves no mark on them."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import cast


class Interrupt:
    """Wakes with an error whoever waits inside its block, and whoever enters it afterwards."""

    def __init__(self) -> None:
        self.reason: Exception | None = None
        self._inside: dict[asyncio.Task[object], int] = {}
        self._woken: set[asyncio.Task[object]] = set()

    def cancel(self, reason: Exception) -> None:
        """Wake them. The name is grpclib's, which calls it when a stream or a connection ends."""
        if self.reason is not None:
            return
        self.reason = reason
        for task in self._inside:
            task.cancel()
            self._woken.add(task)

    def __enter__(self) -> None:
        if self.reason is not None:
            raise self.reason
        task = cast("asyncio.Task[object]", asyncio.current_task())
        self._inside[task] = task.cancelling()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        task = cast("asyncio.Task[object]", asyncio.current_task())
        before = self._inside.pop(task)
        if task not in self._woken:
            return None
        self._woken.discard(task)
        # Somebody else may have cancelled the task as well; then it is theirs to end.
        if task.uncancel() <= before and self.reason is not None:
            raise self.reason from None
        return None
