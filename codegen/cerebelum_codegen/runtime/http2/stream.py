"""One stream: what has arrived on it and was not taken yet, and what each side may still send."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from cerebelum_codegen.runtime.http2.fields import Fields

_FEW_PARTS = 64
_CRUMB_BITS = 9


class StreamOwner(Protocol):
    """Who is told what happens to a stream."""

    def arrived(self) -> None:
        """Headers, bytes or the end have come."""

    def broken(self, code: int) -> None:
        """The peer has reset it, or is told that it broke the rules with it."""

    def widened(self) -> None:
        """There may be room to send again."""


class Stream:
    """A stream of one connection, which alone changes it."""

    __slots__ = (
        "_at",
        "_parts",
        "closed",
        "credit",
        "ended",
        "finished",
        "first",
        "id",
        "last",
        "owner",
        "room",
        "waiting",
        "window",
    )

    def __init__(self, stream_id: int, room: int, window: int) -> None:
        self.id = stream_id
        self.owner: StreamOwner | None = None
        self.room = room
        """How many bytes the peer will take."""
        self.window = window
        """How many bytes the peer may still send."""
        self.credit = 0
        """Bytes that were taken and not yet granted anew."""
        self.first: Fields | None = None
        """The headers that it began with."""
        self.last: Fields | None = None
        """The headers that it ended with."""
        self.ended = False
        """Whether the peer has said all."""
        self.finished = False
        """Whether we have said all."""
        self.closed = False
        """Whether nothing can be said on it any more."""
        self.waiting = 0
        """Bytes that have arrived and were not taken."""
        self._parts: deque[bytes] = deque()
        self._at = 0

    def put(self, data: bytes) -> None:
        """Keep what has arrived. Crumbs are joined: each would take more room than the bytes in it."""
        self._parts.append(data)
        self.waiting += len(data)
        if len(self._parts) > _FEW_PARTS + (self.waiting >> _CRUMB_BITS):
            self._join()

    def peek(self, count: int) -> bytes:
        """The next `count` bytes, which must be there; they stay."""
        part = self._parts[0]
        if len(part) - self._at >= count:
            return part[self._at : self._at + count]
        return self._join()[:count]

    def take(self, count: int) -> bytes:
        """The next `count` bytes, which must be there."""
        if not count:
            return b""
        taken = self.peek(count)
        self.waiting -= count
        self._at += count
        if self._at == len(self._parts[0]):
            self._parts.popleft()
            self._at = 0
        return taken

    def drop(self) -> None:
        """Forget what nobody has taken."""
        self.waiting = self._at = 0
        self._parts.clear()

    def _join(self) -> bytes:
        first, *others = self._parts
        joined = b"".join([first[self._at :], *others])
        self._parts = deque((joined,))
        self._at = 0
        return joined
