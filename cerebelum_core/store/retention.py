"""Ended executions leave the store by age, a few at a time, while a Core runs. What is archived is on disk before."""

from __future__ import annotations

from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.store.archive import Archive
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
