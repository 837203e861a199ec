"""Ended executions leave the store by age, a few at a time, while a Core runs. What is archived is on disk before."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from cerebelum_codegen.runtime import Timestamp
from cerebelum_codegen.runtime.errors import DecodeError
from cerebelum_codegen.runtime.wire import read_varint, varint
from cerebelum_core.errors import StoreUnusable
from cerebelum_core.store.database import Database
from cerebelum_core.store.rows import Row, event, octets, text
from cerebelum_proto.archive.v1.archive_pb import ArchivedExecution
from cerebelum_proto.worker.worker_service_pb import Blueprint

PAGE = 100
"""Executions in one transaction: a running Core waits no longer than for these."""

_ENDED = f"""
SELECT execution_id, version, blueprint_hash, @key FROM @executions
WHERE ended_at_ns IS NOT NULL AND ended_at_ns <= ? ORDER BY ended_at_ns, execution_id LIMIT {PAGE}"""
_EVENTS = "SELECT data FROM @events WHERE @key = ? ORDER BY version"
_BLUEPRINT = "SELECT data FROM @blueprints WHERE hash = ?"
# One that was brought to life again, or has more events than were archived, stays.
_REMOVE = """
DELETE FROM @executions WHERE execution_id = ? AND version = ? AND ended_at_ns IS NOT NULL RETURNING @key"""
_REMOVE_EVENTS = "DELETE FROM @events WHERE @key = ? RETURNING version"
_REMOVE_SNAPSHOT = "DELETE FROM @snapshots WHERE execution_id = ? RETURNING version"


class Archive:
    """A file that ended executions are added to.

    Raises:
        StoreUnusable: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file: BinaryIO = path.open("ab")
        except OSError as error:
            raise StoreUnusable(f"cannot write the archive {path}: {error.strerror}") from None

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, executions: Sequence[ArchivedExecution]) -> None:
        """Return when they are on disk."""
        for execution in executions:
            data = execution.to_bytes()
            self._file.write(varint(len(data)) + data)
        self._file.flush()
        os.fsync(self._file.fileno())


def read_archive(path: Path) -> Iterator[ArchivedExecution]:
    """The executions of an archive, in the order in which they ended.

    Raises:
        DecodeError: it is none, or ends in the middle of one.
    """
    data, at = path.read_bytes(), 0
    while at < len(data):
        length, at = read_varint(data, at)
        if at + length > len(data):
            raise DecodeError("the archive ends in the middle of an execution")
        yield ArchivedExecution.from_bytes(data[at : at + length])
        at += length


def prune_page(database: Database, ended_before: Timestamp, archive: Archive | None) -> int:
    """Remove up to a page of executions that ended by then, the oldest first; how many there were, 0 at the end."""
    ended = database.rows(_ENDED, ended_before.to_ns())
    if archive is not None and ended:
        archive.add([_archived(database, row) for row in ended])
    with database.transaction():
        for execution_id, version, *_ in ended:
            for (key,) in database.rows(_REMOVE, execution_id, version):
                database.rows(_REMOVE_EVENTS, key)
                database.rows(_REMOVE_SNAPSHOT, execution_id)
    return len(ended)


def _archived(database: Database, row: Row) -> ArchivedExecution:
    _, _, digest, key = row
    blueprints = database.rows(_BLUEPRINT, digest)
    return ArchivedExecution(
        execution_id=text(row),
        blueprint=Blueprint.from_bytes(octets(blueprints[0])) if blueprints else None,
        events=[event(each) for each in database.rows(_EVENTS, key)],
    )
