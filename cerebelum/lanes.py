"""Calls that end without waiting share one asyncio task; a call that waits has that task to itself from then on.

A task of its own would cost as much as all else that is done for a trivial step. So a lane, which is a task, begins one
call after the other, each in a context of its own. The first that waits keeps the lane and ends with it, and the others
go on in a new one. So does a call that has done something to its task or still holds it: none meets another's traces.
A call that will probably wait has a task of its own from the start, for to leave a lane costs more than that.
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from abc import abstractmethod
from collections import deque
from collections.abc import Coroutine, Generator
from contextvars import Context, copy_context
from typing import Final

from cerebelum.lane import Lane

_TURN_S = 0.001
"""How long a lane begins calls before everything else has its turn: results are to be told, and signs of life."""

_TRY_AGAIN_EACH = 64
"""So many calls that were expected to wait, and one of them begins on a lane, to see whether its kind still does."""

_ENDED: Final = object()
"""What a call gives that has not waited. To catch how a coroutine says that costs more than a trivial step."""


class Call:
    """One call on a lane."""

    def __init__(self) -> None:
        self.done = False
        """Whether it has ended."""
        self.waits = False
        """Whether it is known to wait, or expected to."""
        self.task: asyncio.Task[None] | None = None
        self.dropped = False

    @abstractmethod
    def begin(self) -> Coroutine[object, None, None]:
        """The coroutine that is to be run."""

    @abstractmethod
    def ended(self, by_itself: bool) -> None:
        """Be told that it is over: by itself, or cancelled."""

    def cancel(self) -> None:
        """Interrupt it, as a task is; what has not begun never does."""
        if self.task is not None:
            self.task.cancel()
        else:
            self.dropped = True

    def end(self, by_itself: bool) -> None:
        """Be over."""
        self.done, self.task = True, None
        self.ended(by_itself)

    def settle(self, task: asyncio.Task[None]) -> None:
        """Be over with a task of its own."""
        self.end(not task.cancelled() and task.exception() is None)


class Lanes:
    """Runs calls on one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Call] = deque()
        self._open: Lane | None = None
        self._alone = 0

    def run(self, call: Call) -> None:
        """Run a call, soon. Where a loop has a task factory, whoever set it makes the task of every call."""
        if self._loop.get_task_factory() is not None or (call.waits and self._is_to_be_alone()):
            call.task = task = self._loop.create_task(call.begin())
            task.add_done_callback(call.settle)
            return
        self._waiting.append(call)
        if self._open is None or self._open.done():
            self._go_on()

    def _is_to_be_alone(self) -> bool:
        self._alone += 1
        return self._alone % _TRY_AGAIN_EACH != 0

    def _go_on(self) -> None:
        """In a new lane, if there is anything left."""
        self._open = None
        if self._waiting:
            self._open = Lane(self._drive(), loop=self._loop)

    async def _drive(self) -> None:
        """Begin call after call, until one keeps the lane or its turn is over."""
        lane = self._open
        assert lane is not None, "a lane is open while it runs"
        untouched, time = _marks(lane), self._loop.time
        over_at = time() + _TURN_S
        try:
            while self._waiting and lane.untouched and _marks(lane) == untouched and time() < over_at:
                call = self._waiting.popleft()
                if call.dropped:
                    call.end(by_itself=False)
                    continue
                call.task, call.waits = lane, False
                context, coroutine = copy_context(), call.begin()
                try:
                    waiting = context.run(next, coroutine.__await__(), _ENDED)
                except asyncio.CancelledError:
                    call.end(by_itself=False)
                except BaseException:
                    call.end(by_itself=False)
                    raise
                else:
                    if waiting is _ENDED:
                        call.end(by_itself=not lane.cancelling())
                        continue
                    call.waits = True
                    self._go_on()
                    return await _Rest(call, context, coroutine, waiting)
        finally:
            if self._open is lane:
                self._go_on()


class _Rest:
    """What is left of a call that waits."""

    def __init__(self, call: Call, context: Context, coroutine: Coroutine[object, None, None], waiting: object) -> None:
        self._call = call
        self._context = context
        self._coroutine = coroutine
        self._waiting = waiting

    def __await__(self) -> Generator[object, None, None]:
        call, run, coroutine, waiting = self._call, self._context.run, self._coroutine, self._waiting
        while True:
            thrown: BaseException | None = None
            try:
                yield waiting
            except GeneratorExit:
                run(coroutine.close)
                raise
            except BaseException as error:
                thrown = error
            try:
                waiting = run(coroutine.send, None) if thrown is None else run(coroutine.throw, thrown)
            except StopIteration:
                return call.end(by_itself=True)
            except asyncio.CancelledError:
                return call.end(by_itself=False)
            except BaseException:
                call.end(by_itself=False)
                raise


def _marks(lane: Lane) -> tuple[int, int]:
    """How many hold it: more of them afterwards, and a call has kept it."""
    return sys.getrefcount(lane), weakref.getweakrefcount(lane)
