"""The process that writes for a Core: what it commits together, and when it tells."""

from __future__ import annotations

import marshal
import os
import select
import socket
import threading
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from cerebelum_core.errors import StoreUnavailable
from cerebelum_core.store import rows
from cerebelum_core.store.child import End, Incoming, serve
from cerebelum_core.store.framing import framed
from cerebelum_core.store.writer import MAX_BATCH_BYTES, outcomes_of
from tests.core.store.appends import append

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a process that inherits a socket")


def test_a_writer_commits_nothing_more_for_a_core_that_is_gone() -> None:
    ours, theirs = socket.socketpair()
    ours.sendall(framed(marshal.dumps([rows.cells_of(append("x", 0))] * 3)))
    batches: list[int] = []

    def begin(writes: Sequence[rows.Write], require_core: Callable[[], None]) -> End:
        def commit(part: Sequence[rows.Write]) -> list[None]:
            require_core()
            batches.append(len(part))
            ours.close()  # the Core is killed while the batch waits for whoever else has the file
            raise StoreUnavailable("database is locked")

        return partial(outcomes_of, commit, writes)

    with pytest.raises(SystemExit):
        serve(theirs, Incoming(theirs), begin, 210)
    assert batches == [3]


def test_a_writer_takes_no_more_bytes_at_once_than_a_batch_may_have() -> None:
    ours, theirs = socket.socketpair()
    large = [("SELECT ?", (b"x" * (MAX_BATCH_BYTES // 2),))]
    messages = framed(marshal.dumps([large])) * 3
    sending = threading.Thread(target=ours.sendall, args=(messages,))
    sending.start()
    incoming: Incoming[object] = Incoming(theirs)
    taken: list[int] = []
    while sum(taken) < 3:
        taken.append(len(incoming.take(210)))
    sending.join()
    ours.close()
    assert max(taken) <= 2
    assert incoming.take(210) == []
    theirs.close()


class Server:
    """What commits is elsewhere: a batch is sent there, and ends later. The Core hangs up after the last one."""

    def __init__(self, *, ahead: int, sends: Sequence[int]) -> None:
        self._core, theirs = socket.socketpair()
        self._sends = list(sends)
        """How many writes the Core sends while the server is at each batch."""
        self.happened: list[str] = []
        with self._core:
            self._send()
            serve(theirs, Incoming[int](theirs), self._begin, 100, ahead=ahead)

    def _begin(self, writes: Sequence[int], require_core: Callable[[], None]) -> End:
        self._hear()
        self.happened.append(f"{len(writes)} begin")
        return partial(self._end, len(writes))

    def _end(self, count: int) -> list[None]:
        self._hear()
        self.happened.append(f"{count} end")
        if self._sends:
            self._send()
        else:
            self._core.shutdown(socket.SHUT_WR)
        return [None] * count

    def _send(self) -> None:
        if count := self._sends.pop(0):
            self._core.sendall(framed(marshal.dumps([0] * count)))

    def _hear(self) -> None:
        ready = select.poll()
        ready.register(self._core, select.POLLIN)
        if ready.poll(0):
            self._core.recv(1 << 16)
            self.happened.append("told")


def test_what_has_come_while_a_batch_was_committed_begins_before_that_is_told() -> None:
    assert Server(ahead=2, sends=[4, 3]).happened == ["4 begin", "4 end", "3 begin", "told", "3 end"]


def test_many_writes_are_two_batches_so_that_the_server_has_always_one_to_commit() -> None:
    happened = Server(ahead=2, sends=[40, 30, 0]).happened
    assert happened == ["20 begin", "20 begin", "20 end", "30 begin", "told", "20 end", "told", "30 end"]


def test_where_the_process_itself_commits_what_it_has_committed_is_told_first() -> None:
    assert Server(ahead=1, sends=[40, 30]).happened == ["40 begin", "40 end", "told", "30 begin", "30 end"]
