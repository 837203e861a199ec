"""A store that fails as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from cerebelum_core.errors import StoreUnavailable
from cerebelum_core.store import Append, MemoryStore
from cerebelum_proto.events.v1.events_pb import Event


class Trouble(MemoryStore):
    """A store that does as it is told: each append takes the next of `fates`."""

    def __init__(self) -> None:
        super().__init__()
        self.fates: list[str] = []
        self.readable = True
        self.reads = 0
        self.appends = 0
        self.known: list[bool] = []
        """Of each append whether it knew the head that was stored."""

    async def append(self, append: Append) -> None:
        await asyncio.sleep(0.01)
        self.appends += 1
        stored = await self.head(append.execution_id)
        self.known.append(append.before is not None)
        assert append.before is None or (stored is not None and stored.head == append.before)
        fate = self.fates.pop(0) if self.fates else "works"
        if fate == "fails":
            raise StoreUnavailable("it was not written")
        await super().append(append)
        if fate == "is lost":
            raise StoreUnavailable("it was written, and the answer is lost")

    async def read(self, execution_id: str, *, after_version: int = 0, limit: int | None = None) -> Sequence[Event]:
        self.reads += 1
        await asyncio.sleep(0.01)
        if not self.readable:
            raise StoreUnavailable("it cannot be read")
        return await super().read(execution_id, after_version=after_version, limit=limit)
