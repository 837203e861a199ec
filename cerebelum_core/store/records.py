"""What a store keeps, and the few verbs that every store has.

The records are values that nobody changes. As the engine's commands, they are not frozen: every step makes some.
"""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from cerebelum_codegen.runtime import Timestamp
from cerebelum_proto.events.v1.events_pb import Event
from cerebelum_proto.events.v1.snapshot_pb import Snapshot
from cerebelum_proto.worker.worker_service_pb import ExecutionState

SHARDS = 4096


def shard_of(execution_id: str) -> int:
    """Which of the 4096 shards an execution belongs to, for ever."""
    return zlib.crc32(execution_id.encode()) % SHARDS


@dataclass(slots=True, kw_only=True)
class Head:
    """One row an execution: what lists, the scheduler and the resurrector need without reading history."""

    workflow: str
    blueprint_hash: str
    status: ExecutionState
    started_at: Timestamp
    ended_at: Timestamp | None = None
    ready: bool = False
    """A task is owed to a worker, waiting or running."""
    wake_at: Timestamp | None = None
    """Its earliest timer."""
    step_index: int = 0
    total_steps: int = 0
    step_name: str = ""

    def leaves_alone(self, before: Head) -> bool:
        """Whether of what rows are found by nothing is another than before: only the step may be."""
        return (
            self.status is before.status
            and self.ready is before.ready
            and self.wake_at == before.wake_at
            and self.ended_at == before.ended_at
            and self.blueprint_hash == before.blueprint_hash
        )


@dataclass(slots=True, kw_only=True)
class Append:
    """Events of one execution that become durable together, and the head that they lead to.

    `expected_version` is how long the history is now; 0 begins one.
    """

    execution_id: str
    expected_version: int
    events: Sequence[Event]
    head: Head
    before: Head | None = None
    """The head that is stored, for whoever knows it: less is written when little has changed."""
    shard: int | None = None
    """That of the execution, for whoever knows it."""


@dataclass(slots=True, kw_only=True)
class StoredHead:
    """A head and whose it is."""

    execution_id: str
    version: int
    head: Head


COUNTED = 100_000
"""A list is counted so far: counting costs as much as there is to count."""


@dataclass(slots=True, order=True)
class Place:
    """Where an execution stands in a list that is ordered by start."""

    started_at: Timestamp
    execution_id: str


@dataclass(slots=True, kw_only=True)
class HeadQuery:
    """Which executions to list, newest first.

    `after` goes on behind a place at the cost of the page alone; `offset` costs what it skips.
    """

    workflow: str = ""
    status: ExecutionState | None = None
    limit: int = 50
    offset: int = 0
    after: Place | None = None


@dataclass(slots=True, kw_only=True)
class HeadPage:
    """A page of a list, where the next one goes on, and how long the whole list is, up to COUNTED."""

    heads: Sequence[StoredHead]
    total: int
    next: Place | None = None
    """None: this is the last page."""

    @classmethod
    def of(cls, heads: Sequence[StoredHead], query: HeadQuery, total: int) -> HeadPage:
        """A page of what was found, when one head more than asked for was looked for."""
        shown = heads[: query.limit]
        place = Place(shown[-1].head.started_at, shown[-1].execution_id) if len(heads) > query.limit and shown else None
        return cls(heads=shown, total=min(total, COUNTED), next=place)


@dataclass(slots=True, order=True)
class Due:
    """An execution's earliest timer."""

    wake_at: Timestamp
    execution_id: str


@dataclass(slots=True, kw_only=True)
class BlueprintRecord:
    """A submitted blueprint as its bytes."""

    hash: str
    workflow: str
    data: bytes
    stored_at: Timestamp


@dataclass(slots=True, kw_only=True)
class WorkerRecord:
    """A worker as it last registered."""

    worker_id: str
    registration: bytes
    seen_at: Timestamp


Outcome: TypeAlias = Exception | None
"""What became of one write: None when it is durable."""
Done: TypeAlias = Callable[[Outcome], None]
"""Called once with what became of a write, in a later turn of the loop than that in which it was handed over."""


class EventStore(Protocol):
    """Keeps histories. An append that returned is durable."""

    kind: str
    """memory, sqlite or postgresql."""
    ended_node: str
    """The node that had it before, if its process has surely ended; else empty."""

    def append(self, append: Append) -> Awaitable[None]:
        """Add events to a history, if it is as long as expected and this store still owns it.

        It happens also when nobody waits for it.

        Raises:
            VersionConflict, OwnershipLost: nothing was written.
            StoreUnavailable: it may have been written; read to find out.
        """

    def post(self, append: Append, done: Done) -> None:
        """The same, for a caller that is called back."""

    async def read(self, execution_id: str, *, after_version: int = 0, limit: int | None = None) -> Sequence[Event]:
        """Events of a history in order; empty when there is none."""

    async def histories(self, execution_ids: Sequence[str], *, limit: int) -> Mapping[str, Sequence[Event]]:
        """The first events of several histories at one go, at most so many of each; those that there are."""

    async def put_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot in place of an older one."""

    async def snapshot(self, execution_id: str) -> Snapshot | None:
        """The newest snapshot of an execution."""

    async def head(self, execution_id: str) -> StoredHead | None:
        """The head of an execution."""

    async def list_heads(self, query: HeadQuery) -> HeadPage:
        """Heads by workflow and status, newest first. The cost is that of the page, whatever else is stored."""

    async def ready(self, *, after: str = "", limit: int = 1000) -> Sequence[str]:
        """Executions that owe a task, by id, from the first one after `after`."""

    async def due(self, until: Timestamp, *, limit: int) -> Sequence[Due]:
        """The earliest timers up to an instant."""

    async def put_blueprint(self, record: BlueprintRecord) -> None:
        """Keep a blueprint, and make it the newest of its workflow."""

    async def blueprint(self, blueprint_hash: str) -> BlueprintRecord | None:
        """The blueprint with this hash."""

    async def newest_blueprint(self, workflow: str) -> BlueprintRecord | None:
        """The blueprint of this workflow that was submitted last."""

    async def blueprints(self) -> Sequence[BlueprintRecord]:
        """Every blueprint; of each workflow the newest last."""

    async def put_worker(self, record: WorkerRecord) -> None:
        """Keep a worker's registration in place of an earlier one."""

    async def remove_worker(self, worker_id: str) -> None:
        """Forget a worker."""

    async def workers(self) -> Sequence[WorkerRecord]:
        """Every worker that is known, by id."""

    async def superseded(self) -> None:
        """Return when a newer Core owns the store: nothing can be written any more."""

    async def close(self) -> None:
        """Write what is queued, and let go of the store."""
