"""Resurrector: at start, finds every execution that owes a task. Sleepers and approvals stay on disk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from cerebelum_core.errors import StoreError
from cerebelum_core.registry import Registry
from cerebelum_core.store import EventStore

_PAGE = 500
_AT_ONCE = 100
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Resurrector:
    """Walks the store once. Where the store does not answer, it asks again: nobody else would."""

    def __init__(self, store: EventStore, registry: Registry, retry_s: float) -> None:
        self._store = store
        self._registry = registry
        self._retry_s = retry_s

    async def run(self) -> int:
        """Wake every execution that owes a task, in the order of their ids; how many there were."""
        count, after = 0, ""
        while page := await self._answer(self._store.ready, after=after, limit=_PAGE):
            for first in range(0, len(page), _AT_ONCE):
                await self._wake(page[first : first + _AT_ONCE])
            count, after = count + len(page), page[-1]
        return count

    async def _wake(self, execution_ids: Sequence[str]) -> None:
        await self._answer(self._registry.gather, execution_ids)
        for execution_id in execution_ids:
            try:
                await self._answer(self._registry.wake, execution_id)
            except Exception:
                _log.exception("execution %s cannot be brought back; the others go on", execution_id)

    async def _answer(self, ask: Callable[..., Awaitable[_T]], *args: object, **options: object) -> _T:
        while True:
            try:
                return await ask(*args, **options)
            except StoreError as error:
                _log.warning("executions wait to be brought back: %s", error)
                await asyncio.sleep(self._retry_s)
