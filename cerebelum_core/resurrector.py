"""Resurrector: at start, finds every execution that owes a task. Sleepers and approvals stay on disk."""

from __future__ import annotations

import logging

from cerebelum_core.registry import Registry
from cerebelum_core.store import EventStore

_PAGE = 500
_log = logging.getLogger(__name__)


class Resurrector:
    """Walks the store once."""

    def __init__(self, store: EventStore, registry: Registry) -> None:
        self._store = store
        self._registry = registry

    async def run(self) -> int:
        """Wake every execution that owes a task, in the order of their ids; how many there were."""
        count, after = 0, ""
        while page := await self._store.ready(after=after, limit=_PAGE):
            for execution_id in page:
                await self._wake(execution_id)
            count, after = count + len(page), page[-1]
        return count

    async def _wake(self, execution_id: str) -> None:
        try:
            await self._registry.wake(execution_id)
        except Exception:
            _log.exception("execution %s cannot be brought back; the others go on", execution_id)
