"""A task that notices what is done to it. It is of asyncio's own kind, so it stays with the interpreter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Self


class Lane(asyncio.Task[None]):
    """A task for several calls, as long as they leave no trace on it."""

    untouched = True
    """Whether nobody did anything to it that lasts."""

    def cancel(self, msg: object = None) -> bool:
        """Cancel it."""
        self.untouched = False
        return super().cancel(msg)

    def add_done_callback(self, callback: Callable[[Self], object], /, *, context: Context | None = None) -> None:
        """Have its end told."""
        self.untouched = False
        super().add_done_callback(callback, context=context)

    def set_name(self, value: object, /) -> None:
        """Give it a name."""
        self.untouched = False
        super().set_name(value)
