"""A task that notices what is done to it, and the way on for a coroutine that somebody else has begun."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from functools import partial
from typing import Self

from cerebelum_proto.worker.worker_service_pb import TaskResult


class Lane(asyncio.Task[None]):
    """A task for several calls, as long as they leave no trace on it."""

    touched = False
    """Whether anybody did something to it that lasts."""

    def cancel(self, msg: object = None) -> bool:
        """Cancel it."""
        self.touched = True
        return super().cancel(msg)

    def add_done_callback(self, callback: Callable[[Self], object], /, *, context: Context | None = None) -> None:
        """Have its end told."""
        self.touched = True
        super().add_done_callback(callback, context=context)

    def set_name(self, value: object, /) -> None:
        """Give it a name."""
        self.touched = True
        super().set_name(value)


class Rest:
    """What is left of a coroutine that waits, in the context in which it was begun."""

    def __init__(self, context: Context, coroutine: Coroutine[object, None, TaskResult], waiting: object) -> None:
        self._context = context
        self._coroutine = coroutine
        self._waiting = waiting

    def __await__(self) -> Generator[object, None, TaskResult]:
        run, coroutine, waiting = self._context.run, self._coroutine, self._waiting
        while True:
            try:
                yield waiting
            except GeneratorExit:
                run(coroutine.close)
                raise
            except BaseException as error:
                go_on = partial(coroutine.throw, error)
            else:
                go_on = partial(coroutine.send, None)
            try:
                waiting = run(go_on)
            except StopIteration as end:
                result: TaskResult = end.value
                return result
