"""`poll` and `retry` inside of a step: calls that are repeated, with pauses that are durable when they are long.

A durable pause is a `sleep`: it ends the run of the step, and the next run goes on after it. What came out in the end
is kept as a memo, with the number of pauses that it took, so that every later run passes over the whole call.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from datetime import datetime, timedelta
from typing import TypeVar, cast, overload

from cerebelum import rules
from cerebelum.errors import StillWaiting
from cerebelum.running import Waits, running
from cerebelum.waits import sleep
from cerebelum_client.annotations import hints_of
from cerebelum_client.markers import check_span

_T = TypeVar("_T")

DURABLE = timedelta(seconds=10)
"""Pauses from this length on outlive the process."""


@overload
def poll(
    check: Callable[[], Awaitable[_T]],
    *,
    every: timedelta = ...,
    until: Callable[[_T], object] = ...,
    timeout: timedelta | None = ...,
) -> Coroutine[object, None, _T]: ...


@overload
def poll(
    check: Callable[[], _T],
    *,
    every: timedelta = ...,
    until: Callable[[_T], object] = ...,
    timeout: timedelta | None = ...,
) -> Coroutine[object, None, _T]: ...


def poll(
    check: Callable[[], Awaitable[_T] | _T],
    *,
    every: timedelta = timedelta(seconds=5),
    until: Callable[[_T], object] = bool,
    timeout: timedelta | None = None,
) -> Coroutine[object, None, _T]:
    """Ask again and again until the answer is yes: until `until(answer)` is true, by default the answer itself.

    Pauses of ten seconds and more are durable sleeps: nothing of the step is in memory meanwhile, and it runs again
    from its first line. The answer is kept as by `memo`, so it must be able to travel. `timeout` is counted from the
    first question, however many runs it takes and whatever they are on; the last question comes when it is over.

    Raises:
        StillWaiting: the answer was no for as long as `timeout`.
        OutsideStep: no step runs here.
        ValueError: `every` is not positive.
        TypeError: `every` or `timeout` is no timedelta.
    """
    check_span("every", every)
    if timeout is not None:
        check_span("timeout", timeout)
    if every <= timedelta(0):
        raise ValueError(f"cannot poll every {every}: give a positive pause")
    waits = running("poll")
    return waits.asked("poll", _polled(waits, check, every, until, timeout))


async def _polled(
    waits: Waits,
    check: Callable[[], Awaitable[_T] | _T],
    every: timedelta,
    until: Callable[[_T], object],
    timeout: timedelta | None,
) -> _T:
    call = _Repeated(waits, "poll", check)
    if call.is_over:
        return cast("_T", call.kept())
    call.skip_pauses()
    while True:
        asked_at = waits.now()
        answer = cast("_T", await call.once())
        if until(answer):
            await call.keep(answer)
            return cast("_T", call.kept())
        left = every
        if timeout is not None:
            left = timeout - (waits.now() - await call.since(asked_at))
            if left < every / 100:  # so near to the end, another question would be the same once more
                raise StillWaiting(f"the answer was no for {timeout}")
        await _pause(min(every, left), durable=every >= DURABLE)


@overload
def retry() -> rules.Action: ...


@overload
def retry(
    call: Callable[[], Awaitable[_T]],
    *,
    attempts: int = ...,
    pause: timedelta = ...,
    backoff: float = ...,
    on: type[Exception] | tuple[type[Exception], ...] = ...,
) -> Coroutine[object, None, _T]: ...


@overload
def retry(
    call: Callable[[], _T],
    *,
    attempts: int = ...,
    pause: timedelta = ...,
    backoff: float = ...,
    on: type[Exception] | tuple[type[Exception], ...] = ...,
) -> Coroutine[object, None, _T]: ...


def retry(
    call: Callable[[], Awaitable[_T] | _T] | None = None,
    *,
    attempts: int = 3,
    pause: timedelta = timedelta(seconds=1),
    backoff: float = 2.0,
    on: type[Exception] | tuple[type[Exception], ...] = Exception,
) -> rules.Action | Coroutine[object, None, _T]:
    """In a rule, `retry()`: visit the step again. In a step, `await retry(call)`: call it until it does not raise.

    The call is tried `attempts` times in all; each pause is `backoff` times the one before, and from ten seconds on a
    durable sleep. What the call gives is kept as by `memo`. The last error passes through.

    Raises:
        OutsideStep: no step runs here.
        ValueError: there are no attempts, or the pauses have no length.
        TypeError: `attempts` or `backoff` is no number, or `pause` is no timedelta.
    """
    if call is None:
        return rules.retry()
    _check_attempts(attempts, pause, backoff)
    waits = running("retry")
    return waits.asked("retry", _retried(waits, call, attempts, pause, backoff, on))


def _check_attempts(attempts: int, pause: timedelta, backoff: float) -> None:
    check_span("pause", pause)
    if not isinstance(attempts, int):
        raise TypeError(f"attempts is {attempts!r}: give a whole number")
    if not isinstance(backoff, int | float):
        raise TypeError(f"backoff is {backoff!r}: give a number")
    if attempts < 1:
        raise ValueError(f"cannot try {attempts} times: allow at least 1 attempt")
    if pause < timedelta(0) or not 0 < backoff <= 1000:
        raise ValueError(f"cannot pause for {pause}, then {backoff:g} times as long: a factor is from 0 to 1000")


async def _retried(
    waits: Waits,
    call: Callable[[], Awaitable[_T] | _T],
    attempts: int,
    pause: timedelta,
    backoff: float,
    on: type[Exception] | tuple[type[Exception], ...],
) -> _T:
    repeated = _Repeated(waits, "retry", call)
    if repeated.is_over:
        return cast("_T", repeated.kept())
    for after in repeated.left(_growing(pause, backoff, attempts)):
        try:
            value = await repeated.once()
        except on:
            if after is None:
                raise
            await _pause(after, durable=after >= DURABLE)
        else:
            await repeated.keep(value)
            break
    return cast("_T", repeated.kept())


class _Repeated:
    """One `poll` or `retry` of a run: the nth of its kind is the same in every run."""

    def __init__(self, waits: Waits, kind: str, call: Callable[[], object]) -> None:
        self._waits = waits
        self._call = call
        waits.repeated += 1
        self._key = f"{kind} #{waits.repeated}"
        self._pauses = 0
        if self.is_over:
            outcome = waits.payloads.read(waits.memos[self._key], dict[str, int])
            waits.position += cast("dict[str, int]", outcome)["pauses"]

    @property
    def is_over(self) -> bool:
        """Whether an earlier run saw its end."""
        return self._key in self._waits.memos

    def skip_pauses(self) -> int:
        """Pass over the durable pauses that are over, which all belong to this call; how many they are."""
        self._pauses = len(self._waits.satisfied) - self._waits.position
        self._waits.position += self._pauses
        return self._pauses

    async def since(self, at: datetime) -> datetime:
        """When this call began: now, or in an earlier run."""
        key, waits = f"{self._key} since", self._waits
        if key not in waits.memos:
            waits.memos[key] = await waits.line.keep(key, waits.payloads.write(at))
        return cast("datetime", waits.payloads.read(waits.memos[key], datetime))

    def left(self, pauses: Iterator[timedelta | None]) -> Iterator[timedelta | None]:
        """The pauses that are still to come."""
        over = self.skip_pauses()
        for pause in pauses:
            if over == 0:
                yield pause
            elif pause is not None and pause >= DURABLE:
                over -= 1

    async def once(self) -> object:
        value = self._call()
        return await value if inspect.isawaitable(value) else value

    async def keep(self, value: object) -> None:
        kept = {"pauses": self._pauses}
        for key, what in ((f"{self._key} value", value), (self._key, kept)):
            self._waits.memos[key] = await self._waits.line.keep(key, self._waits.payloads.write(what))

    def kept(self) -> object:
        waits, annotation = self._waits, hints_of(self._call).get("return", object)
        return waits.payloads.read(waits.memos[f"{self._key} value"], annotation)


async def _pause(pause: timedelta, *, durable: bool) -> None:
    await (sleep(pause) if durable else asyncio.sleep(pause.total_seconds()))


def _growing(pause: timedelta, backoff: float, attempts: int) -> Iterator[timedelta | None]:
    """A pause after each attempt, None after the last."""
    for _ in range(attempts - 1):
        yield pause
        pause *= backoff
    yield None
