"""A store in memory: the same rules, nothing durable. For tests, simulation and trying things out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.errors import StoreUnavailable, VersionConflict
from cerebelum_core.store.callbacks import call_back
from cerebelum_core.store.records import (
    Append,
    BlueprintRecord,
    Done,
    Due,
    HeadPage,
    HeadQuery,
    Place,
    StoredHead,
    WorkerRecord,
)
from cerebelum_proto.events.v1.events_pb import Event
from cerebelum_proto.events.v1.snapshot_pb import Snapshot


class MemoryStore:
    """Keeps events as bytes, so that nobody shares an object with it."""

    kind = "memory"
    ended_node = ""

    def __init__(self) -> None:
        self._histories: dict[str, list[bytes]] = {}
        self._heads: dict[str, StoredHead] = {}
        self._blueprints: dict[str, BlueprintRecord] = {}
        self._newest: dict[str, str] = {}
        self._snapshots: dict[str, tuple[int, bytes]] = {}
        self._workers: dict[str, WorkerRecord] = {}
        self._closed = False

    async def append(self, append: Append) -> None:
        """Add events to a history, if it is as long as expected."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        history = self._histories.get(append.execution_id, [])
        if len(history) != append.expected_version:
            raise VersionConflict(
                f"execution {append.execution_id!r} is at version {len(history)}, not {append.expected_version}"
            )
        version = append.expected_version + len(append.events)
        self._histories[append.execution_id] = [*history, *(event.to_bytes() for event in append.events)]
        self._heads[append.execution_id] = StoredHead(
            execution_id=append.execution_id, version=version, head=append.head
        )

    def post(self, append: Append, done: Done) -> None:
        """The same, for a caller that is called back."""
        call_back(self.append(append), done)

    async def read(self, execution_id: str, *, after_version: int = 0, limit: int | None = None) -> Sequence[Event]:
        """Events of a history in order."""
        end = None if limit is None else after_version + limit
        return [Event.from_bytes(data) for data in self._histories.get(execution_id, [])[after_version:end]]

    async def histories(self, execution_ids: Sequence[str], *, limit: int) -> Mapping[str, Sequence[Event]]:
        """The first events of several histories."""
        return {each: await self.read(each, limit=limit) for each in execution_ids if each in self._histories}

    async def put_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot in place of an older one."""
        version, _ = self._snapshots.get(snapshot.execution_id, (0, b""))
        if version < snapshot.version:
            self._snapshots[snapshot.execution_id] = (snapshot.version, snapshot.to_bytes())

    async def snapshot(self, execution_id: str) -> Snapshot | None:
        """The newest snapshot of an execution."""
        kept = self._snapshots.get(execution_id)
        return Snapshot.from_bytes(kept[1]) if kept else None

    async def head(self, execution_id: str) -> StoredHead | None:
        """The head of an execution."""
        return self._heads.get(execution_id)

    async def list_heads(self, query: HeadQuery) -> HeadPage:
        """Heads by workflow and status, newest first."""
        found = [
            each
            for each in self._heads.values()
            if query.workflow in ("", each.head.workflow) and query.status in (None, each.head.status)
        ]
        found.sort(key=_place, reverse=True)
        total = len(found)
        if query.after is not None:
            found = [each for each in found if _place(each) < query.after]
        return HeadPage.of(found[query.offset : query.offset + query.limit + 1], query, total)

    async def ready(self, *, after: str = "", limit: int = 1000) -> Sequence[str]:
        """Executions that owe a task, by id."""
        return sorted(each for each, stored in self._heads.items() if stored.head.ready and each > after)[:limit]

    async def due(self, until: Timestamp, *, limit: int) -> Sequence[Due]:
        """The earliest timers up to an instant."""
        timers = (
            Due(stored.head.wake_at, each) for each, stored in self._heads.items() if stored.head.wake_at is not None
        )
        return sorted(timer for timer in timers if timer.wake_at <= until)[:limit]

    async def put_blueprint(self, record: BlueprintRecord) -> None:
        """Keep a blueprint, and make it the newest of its workflow."""
        self._blueprints[record.hash] = record
        self._newest[record.workflow] = record.hash

    async def blueprint(self, blueprint_hash: str) -> BlueprintRecord | None:
        """The blueprint with this hash."""
        return self._blueprints.get(blueprint_hash)

    async def newest_blueprint(self, workflow: str) -> BlueprintRecord | None:
        """The blueprint of this workflow that was submitted last."""
        return self._blueprints.get(self._newest.get(workflow, ""))

    async def blueprints(self) -> Sequence[BlueprintRecord]:
        """Every blueprint; of each workflow the newest last."""
        newest = set(self._newest.values())
        return sorted(self._blueprints.values(), key=lambda each: (each.hash in newest, each.stored_at, each.hash))

    async def put_worker(self, record: WorkerRecord) -> None:
        """Keep a worker's registration."""
        self._workers[record.worker_id] = record

    async def remove_worker(self, worker_id: str) -> None:
        """Forget a worker."""
        self._workers.pop(worker_id, None)

    async def workers(self) -> Sequence[WorkerRecord]:
        """Every worker that is known."""
        return [self._workers[worker_id] for worker_id in sorted(self._workers)]

    async def superseded(self) -> None:
        """Never: nobody else can have it."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Refuse further appends."""
        self._closed = True


def _place(stored: StoredHead) -> Place:
    return Place(stored.head.started_at, stored.execution_id)
