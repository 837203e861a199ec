"""Calls that end without waiting share one asyncio task; a call that waits has that task to itself from then on.

A task of its own would cost as much as all else that is done for a trivial step. So a lane, which is a task, begins one
call after the other, each in a context of its own. The first that waits keeps the lane and ends with it, and the others
go on in a new one. So does a call that has done something to its task or still holds it: none meets another's traces.
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from abc import abstractmethod
from collections import deque
from collections.abc import Coroutine
from contextvars import copy_context

from cerebelum.lane import Lane, Rest
from cerebelum_proto.worker.worker_service_pb import TaskResult


class Call:
    """One call on a lane."""

    def __init__(self) -> None:
        self.done = False
        """Whether it has ended."""
        self.lane: Lane | None = None
        self.dropped = False

    @abstractmethod
    def begin(self) -> Coroutine[object, None, TaskResult]:
        """The coroutine that is to be run."""

    @abstractmethod
    def ended(self, result: TaskResult | None) -> None:
        """Be told what came of it; None when it was cancelled."""

    def cancel(self) -> None:
        """Interrupt it, as a task is; what has not begun never does."""
        if self.lane is not None:
            self.lane.cancel()
        else:
            self.dropped = True

    def end(self, result: TaskResult | None) -> None:
        """Be over."""
        self.done, self.lane = True, None
        self.ended(result)


class Lanes:
    """Runs calls."""

    def __init__(self) -> None:
        self._waiting: deque[Call] = deque()
        self._open: Lane | None = None

    def run(self, call: Call) -> None:
        """Run a call, soon."""
        self._waiting.append(call)
        if self._open is None or self._open.done():
            self._go_on()

    def _go_on(self) -> None:
        """In a new lane, if there is anything left."""
        self._open = None
        if self._waiting:
            loop = asyncio.get_running_loop()
            self._open = Lane(self._drive(), loop=loop)

    async def _drive(self) -> None:
        lane = self._open
        assert lane is not None, "a lane is open while it runs"
        untouched = _marks(lane)
        while self._waiting:
            call = self._waiting.popleft()
            if call.dropped:
                call.end(None)
                continue
            context, coroutine = copy_context(), call.begin()
            call.lane = lane
            try:
                waiting = context.run(coroutine.send, None)
            except StopIteration as end:
                result: TaskResult | None = end.value
            except asyncio.CancelledError:
                result = None
            except BaseException:
                self._go_on()
                call.end(None)
                raise
            else:
                self._go_on()
                await _to_the_end(call, Rest(context, coroutine, waiting))
                return
            call.end(None if lane.cancelling() else result)
            if lane.touched or _marks(lane) != untouched:
                break
        self._go_on()


async def _to_the_end(call: Call, rest: Rest) -> None:
    result: TaskResult | None = None
    try:
        result = await rest
    except asyncio.CancelledError:
        pass
    finally:
        call.end(result)


def _marks(lane: Lane) -> tuple[int, int]:
    """How many hold it: more of them afterwards, and a call has kept it."""
    return sys.getrefcount(lane), weakref.getweakrefcount(lane)
