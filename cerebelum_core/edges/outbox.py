"""What is to be said on a stream: all that comes together goes out together, in frames of a bounded size."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Outbox(Generic[_T]):
    """Collects items for one stream."""

    def __init__(self) -> None:
        self._items: deque[_T] = deque()
        self._changed = asyncio.Event()
        self._closed = False

    def put(self, item: _T) -> None:
        """Say something more. What is said after the end is not heard."""
        if not self._items:
            self._changed.set()
        self._items.append(item)

    def close(self) -> None:
        """Say what is left, and end the stream."""
        self._closed = True
        self._changed.set()

    def take_back(self) -> list[_T]:
        """What was not said when the stream broke."""
        left, self._items = list(self._items), deque()
        return left

    async def filled(self) -> bool:
        """Wait for something to say. False: nothing is left, the stream ends."""
        while not self._items and not self._closed:
            self._changed.clear()
            await self._changed.wait()
        return bool(self._items)

    def take(self) -> _T | None:
        """The next item, if there is one."""
        return self._items.popleft() if self._items else None
