"""What the process does that writes for a Core: it commits together what has come while it committed what came before,
and tells of it in the same order.
"""

from __future__ import annotations

import gc
import marshal
import select
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from importlib.metadata import version
from typing import Generic, NoReturn, TypeAlias, TypeVar, cast

from cerebelum_core.store.framing import CHUNK, Word, framed, message_in, sent_outcome
from cerebelum_core.store.records import Outcome
from cerebelum_core.store.writer import MAX_BATCH_BYTES

_W = TypeVar("_W")
"""A write: a value that Python marshals."""
End: TypeAlias = Callable[[], Sequence[Outcome]]
"""Waits until a batch is durable or never will be, and says what became of each write. Batches end in their order."""
Begin: TypeAlias = Callable[[Sequence[_W], Callable[[], None]], End]
"""Begins a batch. What it is given beside that is called before anything is committed: it ends the process when nobody
is there any more who wants it.
"""

_WORTH_HALVING = 16
"""So many writes are worth two commits, where one can be under way while the other is prepared."""


def work(opened: Callable[..., AbstractContextManager[Begin[_W]]], at_once: int, *, ahead: int = 1) -> None:
    """The process: open what its words name, and serve. It ends with the Core, whose end of the socket closes then,
    however the Core ends. The signals that tell a Core to stop are blocked when it is started.
    """
    gc.set_threshold(100_000)  # a batch is thousands of small values, none of them in a cycle
    # Why it ends is said before the socket closes, by which the Core learns of it.
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        incoming = Incoming[_W](channel)
        wanted, *words = incoming.hello()
        if version("cerebelum") != wanted:
            _end(f"the store's writer is of version {version('cerebelum')}, its Core of {wanted}: start the Core again")
        try:
            with opened(*words) as begin:
                serve(channel, incoming, begin, at_once, ahead=ahead)
        except Exception as error:
            _end(f"the store's writer ends: {error}")


def _end(why: str) -> NoReturn:
    sys.stderr.write(f"{why}\n")
    sys.stderr.flush()
    raise SystemExit(1)


def serve(channel: socket.socket, incoming: Incoming[_W], begin: Begin[_W], at_once: int, *, ahead: int = 1) -> None:
    """Commit what comes over the socket, so many at once, until the other end is closed.

    `ahead`: so many batches may be under way, for the one that commits to have the next when it is done with the first.
    """
    ending = select.poll()
    ending.register(channel, 0)

    def require_core() -> None:
        # A Core that is gone has no use for it: each commit may have waited for whoever else has the file.
        if ending.poll(0):
            raise SystemExit

    under_way: deque[End] = deque()
    with channel, suppress(ConnectionError):
        while writes := incoming.take(at_once):
            under_way.extend(begin(part, require_core) for part in _parts(writes, ahead))
            while under_way:
                outcomes = under_way.popleft()()
                # What has come meanwhile begins before this is told of.
                if ahead > 1 and (more := incoming.take(at_once, wait=False)):
                    under_way.extend(begin(part, require_core) for part in _parts(more, ahead - len(under_way)))
                channel.sendall(framed(marshal.dumps([sent_outcome(each) for each in outcomes])))


def _parts(writes: Sequence[_W], most: int) -> Iterator[Sequence[_W]]:
    """The batches that these writes are to be."""
    size = len(writes) if len(writes) < _WORTH_HALVING else -(-len(writes) // most)
    return (writes[first : first + size] for first in range(0, len(writes), size))


class Incoming(Generic[_W]):
    """What comes over a socket: a Core's words, then writes."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._received = bytearray()
        self._writes: deque[_W] = deque()

    def hello(self) -> list[Word]:
        """The Core's version, and its words."""
        while (message := message_in(self._received)) is None:
            received = self._channel.recv(CHUNK)
            if not received:
                raise SystemExit
            self._received += received
        return cast("list[Word]", marshal.loads(message))

    def take(self, most: int, *, wait: bool = True) -> list[_W]:
        """Those that have come, if there are none the next ones, unless it is not to wait for them; none when the other
        end is closed.
        """
        size = self._unpack()
        is_more = not self._writes
        while is_more and len(self._writes) < most and size < MAX_BATCH_BYTES:
            try:
                received = self._channel.recv(CHUNK, 0 if wait and not self._writes else socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            if not received:
                return []
            self._received += received
            size += self._unpack()
            is_more = not self._writes or len(received) == CHUNK
        return [self._writes.popleft() for _ in range(min(len(self._writes), most))]

    def _unpack(self) -> int:
        """Take writes out of what has come; how many bytes they have."""
        size = 0
        while (message := message_in(self._received)) is not None:
            size += len(message)
            self._writes += cast("list[_W]", marshal.loads(message))
        return size
