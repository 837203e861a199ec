"""Resurrector: at start, finds every execution that owes a task, and records what was lost with the Core of before.
Sleepers and approvals stay on disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from cerebelum_core.errors import StoreError
from cerebelum_core.execution import Accepted
from cerebelum_core.registry import Registry
from cerebelum_core.store import EventStore
from cerebelum_engine import LoseTask
from cerebelum_proto.events.v1.events_pb import StepDeadLettered

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

    async def lose(self, lost: Iterable[tuple[str, LoseTask]]) -> None:
        """Record tasks of executions as lost; they are owed anew, in the same order."""
        await asyncio.gather(*[self._lose(execution_id, command) for execution_id, command in lost])

    async def _lose(self, execution_id: str, command: LoseTask) -> None:
        try:
            answer = await self._answer(self._registry.tell, execution_id, command)
        except Exception:
            _log.exception("the loss of task %s cannot be recorded and does not count", command.task_id)
            return
        for event in answer.events if isinstance(answer, Accepted) else ():
            if isinstance(event.fact, StepDeadLettered):
                told = "step %r of execution %r is a dead letter: %s; redrive it once it is mended"
                _log.warning(told, event.fact.step, execution_id, command.reason)

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
