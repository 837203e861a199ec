"""What outlives a Core: its store's contents. And the way to them, which fails as disks and networks fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import apsw

from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.clock import Clock
from cerebelum_core.errors import StoreUnavailable
from cerebelum_core.store import (
    Append,
    BlueprintRecord,
    Done,
    Due,
    EventStore,
    HeadPage,
    HeadQuery,
    MemoryStore,
    StoredHead,
    WorkerRecord,
    rows,
)
from cerebelum_core.store import sqlite_statements as sql
from cerebelum_core.store.callbacks import call_back
from cerebelum_core.store.sqlite import SqliteStore, open_sqlite
from cerebelum_proto.events.v1.events_pb import Event
from cerebelum_proto.events.v1.snapshot_pb import Snapshot
from tests.simulation.core.owned import OwnedStore
from tests.simulation.core.weather import Weather
from tests.simulation.virtual_time import OneThread

_T = TypeVar("_T")


class Disk(Protocol):
    """Where the histories are, whoever has them open."""

    def open(self, node_id: str) -> EventStore:
        """Open the store as a new Core does."""

    def crash(self) -> None:
        """The process that had it open is dead."""

    def history(self, execution_id: str) -> list[Event]:
        """What is durable of an execution."""

    def head(self, execution_id: str) -> StoredHead | None:
        """Its row."""

    def close(self) -> None:
        """Put it away."""


class MemoryDisk:
    """The memory store, kept while Cores come and go."""

    def __init__(self) -> None:
        self._store = MemoryStore()
        self._epoch = 0

    def open(self, node_id: str) -> EventStore:
        self._epoch += 1
        return OwnedStore(self._store, self._epoch, lambda: self._epoch)

    def crash(self) -> None:
        """Nothing is open."""

    def history(self, execution_id: str) -> list[Event]:
        return list(_at_once(self._store.read(execution_id)))

    def head(self, execution_id: str) -> StoredHead | None:
        return _at_once(self._store.head(execution_id))

    def close(self) -> None:
        """Nothing is open."""


class SqliteDisk:
    """A SQLite file. Its threads are simulated: they work at instants drawn from the seed."""

    def __init__(self, folder: Path, clock: Clock, weather: Weather) -> None:
        self._path = folder / "core.db"
        self._clock = clock
        self._weather = weather
        self._open: SqliteStore | None = None
        self._reader: apsw.Connection | None = None

    def open(self, node_id: str) -> EventStore:
        self._open = open_sqlite(
            self._path, node_id, self._clock, thread=lambda _: OneThread(self._weather.disk_delay_s)
        )
        return self._open

    def crash(self) -> None:
        if self._open is not None and not self._open._closed:
            # What the operating system does for a process that is gone.
            self._open._writer_connection.close()
            self._open._reader_connection.close()
            self._open._lock.close()
        self._open = None

    def history(self, execution_id: str) -> list[Event]:
        found = json.loads(rows.text(self._read(sql.EVENTS, (execution_id, 0, -1))[0]))
        return [Event.from_bytes(bytes.fromhex(data)) for (data,) in found]

    def head(self, execution_id: str) -> StoredHead | None:
        found = self._read(sql.HEAD, (execution_id,))
        return rows.stored_head(found[0]) if found else None

    def close(self) -> None:
        self.crash()
        if self._reader is not None:
            self._reader.close()

    def _read(self, statement: str, bindings: rows.Bindings) -> list[rows.Row]:
        if self._reader is None:
            self._reader = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READONLY)
        return list(self._reader.execute(statement, bindings))


class FaultyStore:
    """A store as one Core has it: slow, sometimes failing, and out of reach once that Core is dead."""

    def __init__(
        self,
        inner: EventStore,
        weather: Weather,
        note: Callable[[str], None],
        *,
        wrote: Callable[[Append], None],
        closes: bool,
    ) -> None:
        self._inner = inner
        self._weather = weather
        self._note = note
        self._wrote = wrote
        self._closes = closes
        self.kind = inner.kind
        self.ended_node = inner.ended_node
        self.known: dict[str, int] = {}
        """How long each history is as far as this Core was told."""
        self.thawed = asyncio.Event()
        """Not set while this Core's process stands still."""
        self.thawed.set()

    async def append(self, append: Append) -> None:
        facts = [type(event.fact).__name__ + _step(event) for event in append.events]
        what = f"{append.execution_id} v{append.expected_version + 1} {' '.join(facts)}"
        await self._weather.hop()
        await self._stall()
        if self._weather.happens("commit_fails"):
            self._note(f"cannot write {what}")
            raise StoreUnavailable("simulated: it was not written")
        await self._inner.append(append)
        self._note(f"wrote {what}")
        self._wrote(append)
        await self._weather.hop()
        if self._weather.happens("commit_unanswered"):
            self._note(f"is not told that it wrote {what}")
            self._weather.may_cut_off()
            raise StoreUnavailable("simulated: it was written, and the answer is lost")
        self._learn(append.execution_id, append.expected_version + len(append.events))

    def post(self, append: Append, done: Done) -> None:
        call_back(self.append(append), done)

    async def read(self, execution_id: str, *, after_version: int = 0, limit: int | None = None) -> Sequence[Event]:
        found = await self._reading(lambda: self._inner.read(execution_id, after_version=after_version, limit=limit))
        if found:
            self._learn(execution_id, found[-1].version)
        return found

    async def histories(self, execution_ids: Sequence[str], *, limit: int) -> Mapping[str, Sequence[Event]]:
        found = await self._reading(lambda: self._inner.histories(execution_ids, limit=limit))
        for execution_id, history in found.items():
            self._learn(execution_id, history[-1].version)
        return found

    async def head(self, execution_id: str) -> StoredHead | None:
        return await self._reading(lambda: self._inner.head(execution_id))

    async def put_snapshot(self, snapshot: Snapshot) -> None:
        await self._reading(lambda: self._inner.put_snapshot(snapshot))

    async def snapshot(self, execution_id: str) -> Snapshot | None:
        found = await self._reading(lambda: self._inner.snapshot(execution_id))
        if found is not None:
            self._learn(execution_id, found.version)
        return found

    async def list_heads(self, query: HeadQuery) -> HeadPage:
        return await self._reading(lambda: self._inner.list_heads(query))

    async def ready(self, *, after: str = "", limit: int = 1000) -> Sequence[str]:
        return await self._reading(lambda: self._inner.ready(after=after, limit=limit))

    async def due(self, until: Timestamp, *, limit: int) -> Sequence[Due]:
        return await self._reading(lambda: self._inner.due(until, limit=limit))

    async def put_blueprint(self, record: BlueprintRecord) -> None:
        await self._reading(lambda: self._inner.put_blueprint(record))

    async def blueprint(self, blueprint_hash: str) -> BlueprintRecord | None:
        return await self._reading(lambda: self._inner.blueprint(blueprint_hash))

    async def newest_blueprint(self, workflow: str) -> BlueprintRecord | None:
        return await self._reading(lambda: self._inner.newest_blueprint(workflow))

    async def blueprints(self) -> Sequence[BlueprintRecord]:
        return await self._reading(self._inner.blueprints)

    async def put_worker(self, record: WorkerRecord) -> None:
        await self._reading(lambda: self._inner.put_worker(record))

    async def remove_worker(self, worker_id: str) -> None:
        await self._reading(lambda: self._inner.remove_worker(worker_id))

    async def workers(self) -> Sequence[WorkerRecord]:
        return await self._reading(self._inner.workers)

    async def superseded(self) -> None:
        await self._inner.superseded()

    async def close(self) -> None:
        if self._closes:
            await self._inner.close()

    async def _reading(self, read: Callable[[], Awaitable[_T]]) -> _T:
        """The lesser verbs: they fail before, or their answer is lost."""
        await self._weather.hop()
        await self._stall()
        if self._weather.happens("read_fails"):
            raise StoreUnavailable("simulated: the disk does not answer")
        found = await read()
        await self._weather.hop()
        if self._weather.happens("read_fails"):
            raise StoreUnavailable("simulated: the disk's answer is lost")
        return found

    async def _stall(self) -> None:
        await self.thawed.wait()
        if self._weather.happens("stall"):
            self._note("the disk stalls")
            await asyncio.sleep(self._weather.dice.uniform(1, 90))

    def _learn(self, execution_id: str, version: int) -> None:
        self.known[execution_id] = max(version, self.known.get(execution_id, 0))


def _at_once(work: Coroutine[Any, Any, _T]) -> _T:
    """The outcome of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]  # that is what StopIteration carries
    raise AssertionError("it waits for something")


def _step(event: Event) -> str:
    step = getattr(event.fact, "step", "")
    return f"({step})" if step else ""
