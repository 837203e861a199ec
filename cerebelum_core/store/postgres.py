"""The store for real use: PostgreSQL, every commit on disk before it is acknowledged, one statement a batch."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import LiteralString

import psycopg

from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.clock import Clock
from cerebelum_core.errors import OwnershipLost, StoreUnavailable
from cerebelum_core.store import postgres_statements as sql
from cerebelum_core.store import rows
from cerebelum_core.store.apart import committer_apart
from cerebelum_core.store.callbacks import settle
from cerebelum_core.store.listing import count_of, page_of
from cerebelum_core.store.postgres_address import PostgresAddress, postgres_address
from cerebelum_core.store.postgres_batch import BatchWriter, checked_cells
from cerebelum_core.store.postgres_ownership import RENEW_S, lease_end_ns, take_ownership
from cerebelum_core.store.postgres_patience import PATIENCE_S, Patience
from cerebelum_core.store.postgres_readers import Readers
from cerebelum_core.store.postgres_schema import migrate, require_permissions
from cerebelum_core.store.records import (
    Append,
    BlueprintRecord,
    Done,
    Due,
    HeadPage,
    HeadQuery,
    Outcome,
    Place,
    StoredHead,
    WorkerRecord,
)
from cerebelum_core.store.writer import Committer, GroupCommit, ThreadCommitter, one_thread
from cerebelum_proto.events.v1.events_pb import Event
from cerebelum_proto.events.v1.snapshot_pb import Snapshot

_log = logging.getLogger(__name__)


class PostgresStore:
    """Keeps histories in a database. Made by `open_postgres`."""

    kind = "postgresql"

    def __init__(
        self,
        address: PostgresAddress,
        epoch: int,
        ended_node: str,
        clock: Clock,
        patience: Patience,
        committer: Committer[rows.Row] | None,
    ) -> None:
        self.ended_node = ended_node
        self._epoch = epoch
        self._clock = clock
        connect = partial(address.connect, patience)
        self._batches = BatchWriter(connect, patience, epoch)
        """Unless what writes is in another process, which has its own."""
        self._writer = GroupCommit[rows.Row](
            committer or ThreadCommitter(self._batches.commit, one_thread("writer")),
            weigh=rows.weight,
            heard=self._hear,
        )
        self._readers = Readers(connect, patience)
        self._superseded = asyncio.Event()
        self._closed = False
        self._renewing = asyncio.create_task(self._renew())
        self._watching = asyncio.create_task(patience.watch())

    async def append(self, append: Append) -> None:
        """Add events to a history, if it is as long as expected and this store still owns it."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.post(append, partial(settle, written))
        await written

    def post(self, append: Append, done: Done) -> None:
        """The same, for a caller that is called back."""
        try:
            self._writer.post(checked_cells(append), done)
        except StoreUnavailable as error:
            asyncio.get_running_loop().call_soon(done, error)

    def _hear(self, outcomes: Sequence[Outcome]) -> None:
        if any(isinstance(outcome, OwnershipLost) for outcome in outcomes):
            self._superseded.set()

    async def read(self, execution_id: str, *, after_version: int = 0, limit: int | None = None) -> Sequence[Event]:
        """Events of a history in order."""
        return [rows.event(row) for row in await self._read(sql.EVENTS, (execution_id, after_version, limit))]

    async def histories(self, execution_ids: Sequence[str], *, limit: int) -> Mapping[str, Sequence[Event]]:
        """The first events of several histories."""
        kept = [each for each in execution_ids if "\0" not in each]
        return rows.histories(await self._read(sql.HISTORIES, (sql.text_array(kept), limit)))

    async def put_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot in place of an older one."""
        execution_id, shard, version, data = rows.snapshot_row(snapshot)
        row: dict[str, rows.Cell] = {"execution_id": execution_id, "shard": shard, "version": version, "data": data}
        await self._write(sql.PUT_SNAPSHOT, row)

    async def snapshot(self, execution_id: str) -> Snapshot | None:
        """The newest snapshot of an execution."""
        found = await self._read(sql.SNAPSHOT, (execution_id,))
        return rows.snapshot(found[0]) if found else None

    async def head(self, execution_id: str) -> StoredHead | None:
        """The head of an execution."""
        found = await self._read(sql.HEAD, (execution_id,))
        return rows.stored_head(found[0]) if found else None

    async def list_heads(self, query: HeadQuery) -> HeadPage:
        """Heads by workflow and status, newest first."""
        if query.after is not None:
            before, nul, _ = query.after.execution_id.partition("\0")
            # Of what can be kept the same stands before this text as before one with NUL.
            query = replace(query, after=Place(query.after.started_at, before + "\1" * len(nul)))
        page = await self._list(*page_of(query, "cerebelum.executions"))
        total = await self._list(*count_of(query, "cerebelum.executions"))
        return HeadPage.of([rows.stored_head(row) for row in page], query, rows.number(total[0]) if total else 0)

    async def ready(self, *, after: str = "", limit: int = 1000) -> Sequence[str]:
        """Executions that owe a task, by id."""
        return [rows.text(row) for row in await self._read(sql.READY, (after.partition("\0")[0], limit))]

    async def due(self, until: Timestamp, *, limit: int) -> Sequence[Due]:
        """The earliest timers up to an instant."""
        return [rows.due(row) for row in await self._read(sql.DUE, (until.to_ns(), limit))]

    async def put_blueprint(self, record: BlueprintRecord) -> None:
        """Keep a blueprint, and make it the newest of its workflow."""
        row: dict[str, rows.Cell] = {
            "hash": record.hash,
            "workflow": record.workflow,
            "data": record.data,
            "stored_at_ns": record.stored_at.to_ns(),
        }
        await self._write(sql.PUT_BLUEPRINT, row)

    async def blueprint(self, blueprint_hash: str) -> BlueprintRecord | None:
        """The blueprint with this hash."""
        found = await self._read(sql.BLUEPRINT, (blueprint_hash,))
        return rows.blueprint(found[0]) if found else None

    async def newest_blueprint(self, workflow: str) -> BlueprintRecord | None:
        """The blueprint of this workflow that was submitted last."""
        found = await self._read(sql.NEWEST_BLUEPRINT, (workflow,))
        return rows.blueprint(found[0]) if found else None

    async def blueprints(self) -> Sequence[BlueprintRecord]:
        """Every blueprint; of each workflow the newest last."""
        return [rows.blueprint(row) for row in await self._read(sql.BLUEPRINTS, ())]

    async def put_worker(self, record: WorkerRecord) -> None:
        """Keep a worker's registration."""
        row: dict[str, rows.Cell] = {
            "worker_id": record.worker_id,
            "registration": record.registration,
            "seen_at_ns": record.seen_at.to_ns(),
        }
        await self._write(sql.PUT_WORKER, row)

    async def remove_worker(self, worker_id: str) -> None:
        """Forget a worker."""
        await self._write(sql.REMOVE_WORKER, {"worker_id": worker_id})

    async def workers(self) -> Sequence[WorkerRecord]:
        """Every worker that is known, by id."""
        return [rows.worker(row) for row in await self._read(sql.WORKERS, ())]

    async def superseded(self) -> None:
        """Return when a newer Core owns the database."""
        await self._superseded.wait()

    async def close(self) -> None:
        """Write what is queued, let the next owner in, and let go of the connections."""
        if self._closed:
            return
        self._closed = True
        self._renewing.cancel()
        await asyncio.wait([self._renewing])
        await self._writer.close()
        self._batches.close()
        try:
            await self._readers.run(sql.RENEW, (0, self._epoch))
        except StoreUnavailable as error:
            _log.warning("the next Core waits until the lease of this one ends: %s", error)
        await self._readers.close()
        self._watching.cancel()
        await asyncio.wait([self._watching])

    async def _list(self, statement: str, bindings: dict[str, rows.Cell]) -> list[rows.Row]:
        return await self._read(re.sub(r":(\w+)", r"%(\1)s", statement), bindings)

    async def _read(
        self, statement: LiteralString, parameters: Sequence[rows.Cell] | Mapping[str, rows.Cell]
    ) -> list[rows.Row]:
        self._require_open()
        values = parameters.values() if isinstance(parameters, Mapping) else parameters
        if any(isinstance(value, str) and "\0" in value for value in values):
            return []  # PostgreSQL keeps no such text: nothing has it, and to ask again would change nothing
        return await self._readers.run(statement, parameters)

    async def _write(self, statement: LiteralString, row: dict[str, rows.Cell]) -> None:
        """Write one row beside the batches. It returns a row when this Core is the owner."""
        self._require_open()
        if not await self._readers.run(statement, {**row, "epoch": self._epoch}, again=False):
            self._superseded.set()
            raise OwnershipLost(f"a newer Core owns the store; this one is of epoch {self._epoch}")

    def _require_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")

    async def _renew(self) -> None:
        """Say that this owner lives, as long as it is the owner."""
        while True:
            await asyncio.sleep(RENEW_S)
            try:
                owned = await self._readers.run(sql.RENEW, (lease_end_ns(self._clock), self._epoch))
            except StoreUnavailable as error:
                _log.warning("the lease on the store is renewed later: %s", error)
                continue
            if not owned:
                self._superseded.set()
                return


def open_postgres(
    url: str, node_id: str, clock: Clock, *, patience_s: float = PATIENCE_S, apart: bool = False
) -> PostgresStore:
    """Take ownership of a database, and bring its schema up to date. A statement may take `patience_s` seconds.

    `apart`: what writes may be a process of its own.

    Raises:
        StoreUrlError: the URL is none.
        StoreInUse: another Core has it.
        StoreUnusable: no server, no permission, too old, another schema.
    """
    address = postgres_address(url)
    try:
        with address.connect() as connection:
            address.require_usable(connection)
            migrate(connection, clock)
            require_permissions(connection)
            epoch, ended_node = take_ownership(connection, node_id, clock)
            child = (address.conninfo, address.shown, patience_s, epoch)
            committer: Committer[rows.Row] | None = (
                committer_apart("cerebelum_core.store.postgres_child", child) if apart else None
            )
            return PostgresStore(address, epoch, ended_node, clock, Patience(patience_s), committer)
    except psycopg.Error as error:
        raise address.unusable(error) from None
