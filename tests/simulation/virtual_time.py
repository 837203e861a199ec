"""Virtual time for asyncio: an hour costs nothing, a hang is an error, and what dies together can be killed.

Inside of a program the order is the one that asyncio gives. What comes from outside (calls, the disk, timers) comes
at instants that the world draws from its seed: only there is the real world free. Sets of tasks, which asyncio itself
keeps, are in the order of addresses; here tasks and futures are numbered, so that a seed tells one story everywhere.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from contextvars import Context, ContextVar, copy_context
from functools import wraps
from itertools import count
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")

_MOST_TURNS = 200_000
"""Turns of the loop at one instant: more is a busy loop."""

_process: ContextVar[Process | None] = ContextVar("process", default=None)


class _NoSockets(selectors.SelectSelector):
    """Nothing ever arrives: instead of waiting for it, time passes."""

    loop: VirtualTimeLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.loop.pass_time(timeout)
        return []


class _Task(asyncio.Task[_T]):
    """A task with a place among all others."""

    def __init__(
        self, work: Coroutine[Any, Any, _T], loop: VirtualTimeLoop, context: Context | None, number: int
    ) -> None:
        self._number = number
        super().__init__(work, loop=loop, context=context)

    def __hash__(self) -> int:
        return self._number


class _Future(asyncio.Future[_T]):
    """A future with a place among all others."""

    def __init__(self, loop: VirtualTimeLoop, number: int) -> None:
        self._number = number
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._number


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer whenever nothing is ready."""

    def __init__(self) -> None:
        self._instant = 0.0
        self._turns = 0
        self._numbers = count()
        nothing = _NoSockets()
        nothing.loop = self
        super().__init__(nothing)
        self.set_task_factory(VirtualTimeLoop.create_task_of)  # type: ignore[arg-type]  # it is called with this loop

    def time(self) -> float:
        return self._instant

    def create_future(self) -> asyncio.Future[Any]:
        return _Future(self, next(self._numbers))

    def create_task_of(self, work: Coroutine[Any, Any, _T], context: Context | None = None) -> asyncio.Task[_T]:
        """What the task factory makes: it belongs to the process that begins it."""
        task = _Task(work, self, context, next(self._numbers))
        process = _process.get() if context is None else context.get(_process)
        if process is not None:
            process.own_task(task)
        return task

    def pass_time(self, seconds: float | None) -> None:
        if seconds is None:
            raise RuntimeError("a deadlock: nothing is ready and nothing is due")
        self._instant += max(seconds, 0)
        self._turns = 0 if seconds > 0 else self._turns + 1
        if self._turns > _MOST_TURNS:
            raise RuntimeError("a busy loop: no time passes and it never rests")

    def call_at(
        self, when: float, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = super().call_at(when, callback, *args, context=context)
        process = _process.get()
        if process is not None:
            process.own_timer(timer)
        return timer


def in_virtual_time(test: Callable[_P, Coroutine[Any, Any, None]]) -> Callable[_P, None]:
    """A test that runs in virtual time."""

    @wraps(test)
    def run_it(*args: _P.args, **kwargs: _P.kwargs) -> None:
        run(lambda: test(*args, **kwargs))

    return run_it


def run(main: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    """Run a program in virtual time from its instant 0."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main())


class Process:
    """Tasks and timers that die together, without a last word to anybody outside."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._timers: deque[asyncio.TimerHandle] = deque()

    def start(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Begin a piece of work; whatever it begins belongs to the same process."""
        context = copy_context()
        context.run(_process.set, self)
        return asyncio.get_running_loop().create_task(work, context=context)

    async def kill(self) -> None:
        """End it. Nothing that it began goes on, and no timer of it fires."""
        self.alive = False
        while self._tasks:
            for timer in self._timers:
                timer.cancel()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.wait(list(self._tasks))
        for timer in self._timers:
            timer.cancel()

    @property
    def running(self) -> list[asyncio.Task[Any]]:
        """What has not ended yet."""
        return [task for task in self._tasks if not task.done()]

    def own_task(self, task: asyncio.Task[Any]) -> None:
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))
        if not self.alive:
            task.cancel()

    def own_timer(self, timer: asyncio.TimerHandle) -> None:
        while self._timers and (self._timers[0].cancelled() or self._timers[0].when() < timer.when() - 1e6):
            self._timers.popleft()
        self._timers.append(timer)
        if not self.alive:
            timer.cancel()


class OneThread(Executor):
    """Stands for a thread: its work is done in order, each piece at an instant that `delay_s` draws."""

    def __init__(self, delay_s: Callable[[], float]) -> None:
        self._delay_s = delay_s
        self._work: deque[Callable[[], None]] = deque()

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        outcome: Future[_T] = Future()

        def work() -> None:
            if not outcome.set_running_or_notify_cancel():
                return
            try:
                outcome.set_result(fn(*args, **kwargs))
            except BaseException as error:
                outcome.set_exception(error)

        self._work.append(work)
        if len(self._work) == 1:
            self._schedule()
        return outcome

    def _schedule(self) -> None:
        asyncio.get_running_loop().call_later(self._delay_s(), self._do_next)

    def _do_next(self) -> None:
        self._work[0]()
        self._work.popleft()
        if self._work:
            self._schedule()
