"""The default store: one SQLite file, WAL, every commit on disk before it is acknowledged."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.clock import Clock
from cerebelum_core.errors import OwnershipLost, StoreUnusable
from cerebelum_core.store import rows
from cerebelum_core.store import sqlite_statements as sql
from cerebelum_core.store.apart import committer_apart
from cerebelum_core.store.listing import count_of, page_of
from cerebelum_core.store.lock import FileLock, require_one_name
from cerebelum_core.store.migrations import migrations, outstanding
from cerebelum_core.store.records import (
    Append,
    BlueprintRecord,
    Done,
    Due,
    HeadPage,
    HeadQuery,
    Outcome,
    StoredHead,
    WorkerRecord,
)
from cerebelum_core.store.sqlite_writer import AT_ONCE, PATIENCE_MS, SqliteWriter, connect, transaction, trouble
from cerebelum_core.store.writer import Committer, GroupCommit, HereIfAlone, ThreadCommitter, one_thread
from cerebelum_proto.events.v1.events_pb import Event
from cerebelum_proto.events.v1.snapshot_pb import Snapshot

_MAX_READS = 100
"""Reads at one go, so that the first of them does not wait for the last."""

_ALONE_IN_A_ROW = 64
"""Beside a writer in another process: with two workflows in flight no dozen writes come alone in a row."""

_OURS = {"migrations", "ownership"}
"""Tables without which a file is no store of ours."""


@dataclass(slots=True)
class _Read:
    """A question and, once it was asked, what was found."""

    statement: str
    bindings: rows.Bindings
    found: list[rows.Row] = field(default_factory=list)


class SqliteStore:
    """Keeps histories in one file. Made by `open_sqlite`."""

    kind = "sqlite"

    def __init__(
        self,
        lock: FileLock,
        committer: Committer[rows.Write],
        writer_connection: apsw.Connection,
        reader_connection: apsw.Connection,
        reading: Executor,
    ) -> None:
        self.ended_node = lock.ended_node
        self._lock = lock
        self._writer = GroupCommit[rows.Write](committer, weigh=rows.weight, heard=self._hear)
        self._writer_connection = writer_connection
        self._reader_connection = reader_connection
        self._reader = GroupCommit[_Read](ThreadCommitter(self._read_all, reading, at_once=_MAX_READS))
        self._superseded = asyncio.Event()
        self._closed = False

    def append(self, append: Append) -> asyncio.Future[None]:
        """Add events to a history, if it is as long as expected and this store still owns it."""
        return self._writer.submit(rows.cells_of(append))

    def post(self, append: Append, done: Done) -> None:
        """The same, for a caller that is called back."""
        self._writer.post(rows.cells_of(append), done)

    async def read(self, execution_id: str, *, after_version: int = 0, limit: int | None = None) -> Sequence[Event]:
        """Events of a history in order."""
        found = await self._many(sql.EVENTS, (execution_id, after_version, -1 if limit is None else limit))
        return [rows.event(_with_blob(row)) for row in found]

    async def histories(self, execution_ids: Sequence[str], *, limit: int) -> Mapping[str, Sequence[Event]]:
        """The first events of several histories."""
        found = await self._many(sql.HISTORIES, (json.dumps(execution_ids), limit))
        return rows.histories(map(_with_blob, found))

    async def put_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot in place of an older one."""
        await self._write(sql.PUT_SNAPSHOT, rows.snapshot_row(snapshot))

    async def snapshot(self, execution_id: str) -> Snapshot | None:
        """The newest snapshot of an execution."""
        found = await self._query(sql.SNAPSHOT, (execution_id,))
        return rows.snapshot(found[0]) if found else None

    async def head(self, execution_id: str) -> StoredHead | None:
        """The head of an execution."""
        found = await self._query(sql.HEAD, (execution_id,))
        return rows.stored_head(found[0]) if found else None

    async def list_heads(self, query: HeadQuery) -> HeadPage:
        """Heads by workflow and status, newest first."""
        page = await self._query(*page_of(query, "executions"))
        total = await self._query(*count_of(query, "executions"))
        return HeadPage.of([rows.stored_head(row) for row in page], query, rows.number(total[0]))

    async def ready(self, *, after: str = "", limit: int = 1000) -> Sequence[str]:
        """Executions that owe a task, by id."""
        return [rows.text(row) for row in await self._many(sql.READY, (after, limit))]

    async def due(self, until: Timestamp, *, limit: int) -> Sequence[Due]:
        """The earliest timers up to an instant."""
        return [rows.due(row) for row in await self._many(sql.DUE, (until.to_ns(), limit))]

    async def put_blueprint(self, record: BlueprintRecord) -> None:
        """Keep a blueprint, and make it the newest of its workflow."""
        row = (record.hash, record.workflow, record.data, record.stored_at.to_ns())
        await self._writer.submit([(sql.PUT_BLUEPRINT, row), (sql.PUT_NEWEST, (record.workflow, record.hash))])

    async def blueprint(self, blueprint_hash: str) -> BlueprintRecord | None:
        """The blueprint with this hash."""
        found = await self._query(sql.BLUEPRINT, (blueprint_hash,))
        return rows.blueprint(found[0]) if found else None

    async def newest_blueprint(self, workflow: str) -> BlueprintRecord | None:
        """The blueprint of this workflow that was submitted last."""
        found = await self._query(sql.NEWEST_BLUEPRINT, (workflow,))
        return rows.blueprint(found[0]) if found else None

    async def blueprints(self) -> Sequence[BlueprintRecord]:
        """Every blueprint; of each workflow the newest last."""
        return [rows.blueprint(row) for row in await self._query(sql.BLUEPRINTS, ())]

    async def put_worker(self, record: WorkerRecord) -> None:
        """Keep a worker's registration."""
        await self._write(sql.PUT_WORKER, (record.worker_id, record.registration, record.seen_at.to_ns()))

    async def remove_worker(self, worker_id: str) -> None:
        """Forget a worker."""
        await self._write(sql.REMOVE_WORKER, (worker_id,))

    async def workers(self) -> Sequence[WorkerRecord]:
        """Every worker that is known, by id."""
        return [rows.worker(row) for row in await self._query(sql.WORKERS, ())]

    async def superseded(self) -> None:
        """Return when a newer Core owns the file."""
        await self._superseded.wait()

    async def close(self) -> None:
        """Write what is queued, and let go of the file."""
        if self._closed:
            return
        self._closed = True
        await self._writer.close()
        await self._reader.close()
        self._reader_connection.close()
        self._writer_connection.close()
        self._lock.close()

    def _hear(self, outcomes: Sequence[Outcome]) -> None:
        if any(isinstance(each, OwnershipLost) for each in outcomes):
            self._superseded.set()

    async def _write(self, statement: str, row: rows.Row) -> None:
        await self._writer.submit([(statement, row)])

    async def _many(self, statement: str, bindings: rows.Bindings) -> list[rows.Row]:
        """Rows that come as one, in JSON."""
        found = await self._query(statement, bindings)
        return [tuple(row) for row in json.loads(rows.text(found[0]))]

    async def _query(self, statement: str, bindings: rows.Bindings) -> list[rows.Row]:
        read = _Read(statement, bindings)
        await self._reader.submit(read)
        return read.found

    def _read_all(self, reads: Sequence[_Read]) -> Sequence[Outcome]:
        """Read what has queued up: one change of threads for all of it. In the reader's thread."""
        return [self._found(read) for read in reads]

    def _found(self, read: _Read) -> Outcome:
        try:
            read.found = list(self._reader_connection.execute(read.statement, read.bindings))
        except apsw.Error as error:
            return trouble(error, "read")
        return None


def open_sqlite(
    path: Path, node_id: str, clock: Clock, *, apart: bool = False, thread: Callable[[str], Executor] = one_thread
) -> SqliteStore:
    """Open a file, or make it; take ownership of it and bring its schema up to date.

    `thread` makes what the reader runs in and, unless it is to be `apart` in a process of its own, the writer.

    Raises:
        StoreInUse: another Core has it.
        StoreUnusable: it cannot be written, is no database or another program's, or has another schema.
    """
    _look_at(path)
    lock = FileLock(path, node_id)
    try:
        connection, reader = connect(path), connect(path)
        _migrate(connection, clock)
        epoch = rows.number(next(connection.execute(sql.TAKE_OWNERSHIP, (node_id,))))
        committer: Committer[rows.Write] | None = None
        if apart:
            committer = committer_apart("cerebelum_core.store.sqlite_child", (str(path), epoch))
        writer, after = SqliteWriter(connection, epoch), _ALONE_IN_A_ROW
        if committer is None:
            committer, after = ThreadCommitter(writer.commit, thread("writer"), at_once=AT_ONCE), 0
        committer = HereIfAlone(writer.commit_at_once, committer, after=after)
        return SqliteStore(lock, committer, connection, reader, thread("reader"))
    except apsw.Error as error:
        lock.close()
        raise StoreUnusable(f"{path} cannot be used: {error}") from None
    except BaseException:
        lock.close()
        raise


def _look_at(path: Path) -> None:
    """Refuse what can be no store before anything is left in it or beside it."""
    if not os.path.isdir(path.parent):
        raise StoreUnusable(f"the folder {path.parent} does not exist: make it first")
    if os.path.isdir(path):
        raise StoreUnusable(f"{path} is a folder: name a file in it")
    if not os.path.exists(path):
        return
    require_one_name(path)
    try:
        with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
            connection.set_busy_timeout(PATIENCE_MS)
            tables = [rows.text(row) for row in connection.execute(sql.TABLES)]
            is_ours = not tables or _OURS.issubset(tables)
            if is_ours:
                # What a crash has left is moved into the file by whoever has time.
                connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    except apsw.Error as error:
        raise StoreUnusable(f"{path} cannot be used: {error}") from None
    if not is_ours:
        raise StoreUnusable(f"{path} is the database of another program, with a table {tables[0]}: name another file")


def _migrate(connection: apsw.Connection, clock: Clock) -> None:
    with transaction(connection):
        connection.execute(sql.CREATE_MIGRATIONS)
        applied = dict(rows.migration(row) for row in connection.execute(sql.MIGRATIONS))
        for migration in outstanding(migrations("sqlite"), applied):
            connection.execute(migration.sql)
            connection.execute(
                sql.PUT_MIGRATION, (migration.number, migration.name, migration.checksum, clock.now().to_ns())
            )


def _with_blob(row: rows.Row) -> rows.Row:
    """A row that came in JSON, whose last cell is a blob."""
    return (*row[:-1], bytes.fromhex(rows.text(row[-1:])))
