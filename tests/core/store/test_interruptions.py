"""A handler of signals may raise between any two calls of the loop's thread: what was being handed over is told all the
same, and nobody is told of a write that is another's.
"""

from __future__ import annotations

import asyncio
import marshal
import select
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from threading import Thread
from types import FrameType, SimpleNamespace
from typing import Any

import pytest

from cerebelum_core.errors import StoreUnavailable
from cerebelum_core.store import apart
from cerebelum_core.store import writer as module
from cerebelum_core.store.child import Incoming, serve
from cerebelum_core.store.framing import framed
from cerebelum_core.store.records import Outcome
from cerebelum_core.store.writer import Committer, GroupCommit, HereIfAlone, ThreadCommitter, one_thread

_HANDING_OVER = {"_begin", "_batch", "begin", "_commits", "_took", "_go", "_send", "_await_room", "outcomes_of"}
_FILES = (module.__file__, apart.__file__)


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
        if event in ("call", "c_return") and code.co_filename in _FILES and code.co_name in _HANDING_OVER:
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


class _Apart(apart.ProcessCommitter[str]):
    """Whose process is a thread."""

    def __init__(self, commit: Callable[[Sequence[str]], Sequence[Outcome]]) -> None:
        self._commit = commit
        super().__init__("", ())

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        incoming = Incoming[str](theirs)
        Thread(target=serve, args=(theirs, incoming, self._begun, 100), daemon=True).start()
        ours.setblocking(False)
        self._loop.add_reader(ours.fileno(), self._receive)
        process: Any = SimpleNamespace(pid=0, kill=lambda: None, wait=lambda *_: 0)
        self._socket, self._process, self._answered, self._has_more = ours, process, True, False
        self._received.clear()

    def _begun(self, writes: Sequence[str], require_core: Callable[[], None]) -> Callable[[], Sequence[Outcome]]:
        return partial(self._commit, writes)


@pytest.mark.parametrize("committer", [_plain, _here, _Apart])
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


def test_what_came_along_with_an_outcome_is_told_also_when_whoever_is_told_that_one_is_interrupted() -> None:
    if not module.__file__.endswith(".py"):
        pytest.skip("a compiled class has no other form")
    told: list[Outcome] = []

    def tell(outcomes: Sequence[Outcome]) -> None:
        told.extend(outcomes)
        if len(told) == 1:
            raise KeyboardInterrupt

    def come(channel: socket.socket | None, count: int) -> None:
        answer = framed(marshal.dumps([None]))
        while channel is not None and select.select([channel], [], []):
            if len(channel.recv(1_000, socket.MSG_PEEK)) == count * len(answer):
                return

    async def made() -> _Apart:
        return _Apart(lambda writes: [None] * len(writes))

    loop = asyncio.new_event_loop()
    committer = loop.run_until_complete(made())
    for count in (1, 2):
        committer.begin(["a write"], 7, tell)
        come(committer._socket, count)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(committer.close())
    loop.close()
    assert told == [None, None]
