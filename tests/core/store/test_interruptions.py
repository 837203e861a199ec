"""A handler of signals may raise between any two calls of the loop's thread: what was being handed over is told all the
same, and nobody is told of a write that is another's.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType

import pytest

from cerebelum_core.errors import StoreUnavailable
from cerebelum_core.store import writer as module
from cerebelum_core.store.records import Outcome
from cerebelum_core.store.writer import Committer, GroupCommit, HereIfAlone, ThreadCommitter, one_thread

_HANDING_OVER = {"_begin", "_batch", "begin", "_commits", "_took", "_go", "outcomes_of"}


class _Interruption:
    """Strikes where the interpreter looks for signals: as a function begins, and behind a call of one in C."""

    def __init__(self, number: int) -> None:
        self.left = number

    @contextmanager
    def ahead(self) -> Iterator[None]:
        sys.setprofile(self._look)
        try:
            yield
        finally:
            sys.setprofile(None)

    def _look(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event in ("call", "c_return") and code.co_filename == module.__file__ and code.co_name in _HANDING_OVER:
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt


class _Scene:
    """Writes on one loop, which goes on after an interruption, and what became of them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, committer: Callable[[], Committer[str]]) -> None:
        self.told: list[tuple[str, Outcome]] = []
        self._loop = loop
        self._writer = loop.run_until_complete(self._made(committer))

    async def _made(self, committer: Callable[[], Committer[str]]) -> GroupCommit[str]:
        return GroupCommit[str](committer(), weigh=len)

    def post(self, write: str) -> None:
        self._loop.call_soon(self._writer.post, write, lambda outcome: self.told.append((write, outcome)))
        for _ in range(3):
            self._turn()

    def hear(self, write: str) -> Outcome:
        """What became of a write, once that is told."""
        for _ in range(100_000):
            if write in dict(self.told):
                return dict(self.told)[write]
            self._turn()
        raise AssertionError("nobody is told")

    def close(self) -> None:
        self._loop.run_until_complete(self._writer.close())

    def _turn(self) -> None:
        self._loop.call_soon(self._loop.stop)
        self._loop.run_forever()


def _plain(commit: Callable[[Sequence[str]], Sequence[Outcome]]) -> Committer[str]:
    return ThreadCommitter(commit, one_thread("test"))


def _here(commit: Callable[[Sequence[str]], Sequence[Outcome]]) -> Committer[str]:
    return HereIfAlone(commit, _plain(commit))


@pytest.mark.parametrize("committer", [_plain, _here])
def test_a_write_that_is_interrupted_anywhere_is_told_and_takes_no_other_s_outcome(
    committer: Callable[[Callable[[Sequence[str]], Sequence[Outcome]]], Committer[str]],
) -> None:
    if not module.__file__.endswith(".py"):
        pytest.skip("what compiled modules call is not seen: nothing can strike between it")
    number, struck = 1, True
    while struck:
        committed: list[str] = []

        def commit(writes: Sequence[str], committed: list[str] = committed) -> Sequence[Outcome]:
            committed.extend(writes)
            return [None] * len(writes)

        loop = asyncio.new_event_loop()
        scene, interruption = _Scene(loop, partial(committer, commit)), _Interruption(number)
        for each in ("before", "and another"):
            scene.post(each)
            scene.hear(each)
        with suppress(KeyboardInterrupt), interruption.ahead():
            scene.post("interrupted")
        struck = interruption.left <= 0
        scene.post("after")
        assert scene.hear("after") is None
        outcome = scene.hear("interrupted")
        assert isinstance(outcome, StoreUnavailable) or (outcome is None and "interrupted" in committed)
        scene.close()
        loop.close()
        assert len(scene.told) == 4
        number += 1
    assert number > 5
