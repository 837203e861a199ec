"""The memory store under the rule of the databases: who opened it last owns it, and only the owner may write."""

from __future__ import annotations

from collections.abc import Callable

from cerebelum_core.errors import OwnershipLost
from cerebelum_core.store import Append, BlueprintRecord, MemoryStore, WorkerRecord
from cerebelum_proto.events.v1.snapshot_pb import Snapshot


class OwnedStore(MemoryStore):
    """One Core's hold on what several have open."""

    def __init__(self, contents: MemoryStore, epoch: int, owner: Callable[[], int]) -> None:
        vars(self).update(vars(contents))
        self._epoch = epoch
        self._owner = owner

    async def append(self, append: Append) -> None:
        self._require_ownership()
        await super().append(append)

    async def put_snapshot(self, snapshot: Snapshot) -> None:
        self._require_ownership()
        await super().put_snapshot(snapshot)

    async def put_blueprint(self, record: BlueprintRecord) -> None:
        self._require_ownership()
        await super().put_blueprint(record)

    async def put_worker(self, record: WorkerRecord) -> None:
        self._require_ownership()
        await super().put_worker(record)

    async def remove_worker(self, worker_id: str) -> None:
        self._require_ownership()
        await super().remove_worker(worker_id)

    def _require_ownership(self) -> None:
        if self._owner() != self._epoch:
            raise OwnershipLost(f"epoch {self._owner()} owns the store; this one is of epoch {self._epoch}")
