"""Threads for steps that are plain functions: as many as steps run at once, and none that holds up the end.

They are daemons. A thread cannot be interrupted, so a step that never ends would keep a process with other threads
from ending for ever.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

from cerebelum.raised import words_of

_T = TypeVar("_T")
_OTHERWISE_MEANT = (StopIteration, GeneratorExit, KeyboardInterrupt)
"""These say something else to whoever awaits."""


class Threads:
    """Runs functions in threads of its own, for one event loop. A thread that is free takes the next function."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._alive = 0
        self._busy = 0

    def run(self, call: Callable[[], _T]) -> asyncio.Future[_T]:
        """What a function gives, which is called in a thread and sees the caller's context variables."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_T] = loop.create_future()
        self._busy += 1
        if self._busy > self._alive:
            self._alive += 1
            threading.Thread(target=self._serve, name=f"step-{self._alive}", daemon=True).start()
        self._calls.put(partial(self._perform, loop, answer, partial(copy_context().run, call)))
        return answer

    def close(self) -> None:
        """Let every thread end once its step has ended. None is waited for."""
        for _ in range(self._alive):
            self._calls.put(None)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            call()

    def _perform(self, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[_T], call: Callable[[], _T]) -> None:
        try:
            settle = partial(_give, answer, call())
        except _OTHERWISE_MEANT as error:
            settle = partial(_fail, answer, RuntimeError(f"the step raised {type(error).__name__}({words_of(error)})"))
        except BaseException as error:
            settle = partial(_fail, answer, error)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(self._ended, settle)

    def _ended(self, settle: Callable[[], None]) -> None:
        self._busy -= 1
        settle()


def _give(answer: asyncio.Future[_T], value: _T) -> None:
    if not answer.done():
        answer.set_result(value)


def _fail(answer: asyncio.Future[_T], error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)
        answer.exception()  # whoever has stopped waiting leaves nobody to look at it
