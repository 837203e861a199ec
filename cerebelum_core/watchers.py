"""Those who follow a history: told by each commit, so that nobody polls the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from cerebelum_core.errors import UnknownExecution
from cerebelum_core.store import EventStore
from cerebelum_proto.events.v1.events_pb import Event, ExecutionCancelled, ExecutionCompleted, ExecutionFailed

_PAGE = 500


class Watchers:
    """Wakes the followers of an execution."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._followers: dict[str, list[asyncio.Event]] = {}
        self._closed = False

    def notify(self, execution_id: str) -> None:
        """New events of an execution are durable."""
        followers = self._followers.get(execution_id)
        if followers is not None:
            for woken in followers:
                woken.set()

    def close(self) -> None:
        """End every follower."""
        self._closed = True
        for followers in list(self._followers.values()):
            for woken in followers:
                woken.set()

    async def follow(self, execution_id: str, after_version: int, *, live: bool) -> AsyncGenerator[Event, None]:
        """The history after a version; with `live`, each new event until the execution has ended.

        Raises:
            UnknownExecution: there is none.
        """
        if await self._store.head(execution_id) is None:
            raise UnknownExecution(f"there is no execution {execution_id!r}")
        woken = asyncio.Event()
        self._followers.setdefault(execution_id, []).append(woken)
        try:
            while True:
                woken.clear()
                events = await self._store.read(execution_id, after_version=after_version, limit=_PAGE)
                for event in events:
                    yield event
                after_version = events[-1].version if events else after_version
                if len(events) == _PAGE:
                    continue
                if not live or self._closed or await self._has_ended(execution_id, events):
                    return
                await woken.wait()
        finally:
            self._followers[execution_id].remove(woken)
            if not self._followers[execution_id]:
                del self._followers[execution_id]

    async def _has_ended(self, execution_id: str, events: Sequence[Event]) -> bool:
        if events:
            return isinstance(events[-1].fact, ExecutionCompleted | ExecutionFailed | ExecutionCancelled)
        head = await self._store.head(execution_id)
        return head is not None and head.head.ended_at is not None
