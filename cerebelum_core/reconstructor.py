"""StateReconstructor: where an execution stands, from its history; a long one is folded from its last snapshot.

Snapshots are a cache. They are taken now and then of what is durable, written in the background, and may be missing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from cerebelum_core.blueprints import BlueprintRegistry
from cerebelum_core.errors import CoreError, UnknownBlueprint
from cerebelum_core.store import EventStore
from cerebelum_engine import State, new, reconstruct, restore, take
from cerebelum_proto.events.v1.events_pb import Event, ExecutionStarted

EVERY = 256
"""Events from one snapshot to the next; a shorter history has none, and is read at one go."""
_REMEMBERED = 10_000

_log = logging.getLogger(__name__)


class StateReconstructor:
    """Reads states, and takes snapshots of those whose history grows long."""

    def __init__(self, store: EventStore, blueprints: BlueprintRegistry, every: int = EVERY) -> None:
        self._store = store
        self._blueprints = blueprints
        self._every = every
        self._newest: OrderedDict[str, int] = OrderedDict()
        self._writing: set[asyncio.Task[None]] = set()

    async def read(self, execution_id: str) -> State | None:
        """Where an execution stands; None when there is none."""
        history = await self._store.read(execution_id, limit=self._every + 1)
        return await self.fold(execution_id, history) if history else None

    async def histories(self, execution_ids: Sequence[str]) -> Mapping[str, Sequence[Event]]:
        """As much of several histories as `fold` takes, read at one go."""
        return await self._store.histories(execution_ids, limit=self._every + 1)

    async def fold(self, execution_id: str, history: Sequence[Event]) -> State:
        """Where an execution stands. A history that goes on is read on, from a snapshot if there is one."""
        if len(history) <= self._every:
            return await self._folded(history)
        state = await self._snapshot(execution_id)
        if state is None:
            tail = await self._store.read(execution_id, after_version=len(history))
            return await self._folded([*history, *tail])
        return reconstruct(state, await self._store.read(execution_id, after_version=state.version))

    def grown(self, state: State) -> None:
        """A state is durable: keep a snapshot of it, when it is far from the last one."""
        if state.version < self._every:
            return
        newest = self._newest.get(state.execution_id, 0)
        # A large state is taken less often, so that its size is no matter either.
        if state.version - newest < max(self._every, 2 * len(state.steps)):
            return
        self._remember(state.execution_id, state.version)
        writing = asyncio.ensure_future(self._write(state))
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)

    async def settle(self) -> None:
        """Return when no snapshot is being written."""
        if self._writing:
            await asyncio.wait(self._writing)

    async def _write(self, state: State) -> None:
        try:
            await self._store.put_snapshot(take(state))
        except CoreError as error:
            _log.warning("execution %s has no new snapshot: %s", state.execution_id, error)

    async def _snapshot(self, execution_id: str) -> State | None:
        snapshot = await self._store.snapshot(execution_id)
        if snapshot is None:
            return None
        self._remember(execution_id, snapshot.version)
        try:
            return restore(snapshot, await self._blueprints.get(snapshot.blueprint_hash))
        except UnknownBlueprint:
            return None

    async def _folded(self, history: Sequence[Event]) -> State:
        first = history[0].fact
        if not isinstance(first, ExecutionStarted):
            raise ValueError(f"the history of {history[0].execution_id!r} does not begin with its start")
        return reconstruct(new(await self._blueprints.get(first.blueprint_hash)), history)

    def _remember(self, execution_id: str, version: int) -> None:
        self._newest[execution_id] = version
        self._newest.move_to_end(execution_id)
        if len(self._newest) > _REMEMBERED:
            self._newest.popitem(last=False)
