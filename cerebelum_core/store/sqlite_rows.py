"""Every statement of the SQLite store, and what its rows mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias, cast

from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.store.records import Append, BlueprintRecord, Due, Head, StoredHead, WorkerRecord
from cerebelum_proto.events.v1.events_pb import Event
from cerebelum_proto.worker.worker_service_pb import ExecutionState

Cell: TypeAlias = int | float | bytes | str | None
Row: TypeAlias = tuple[Cell, ...]
Bindings: TypeAlias = Sequence[Cell] | Mapping[str, Cell]

CREATE_MIGRATIONS = """
CREATE TABLE IF NOT EXISTS migrations (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at_ns INTEGER NOT NULL
)"""
MIGRATIONS = "SELECT number, checksum FROM migrations ORDER BY number"
PUT_MIGRATION = "INSERT INTO migrations (number, name, checksum, applied_at_ns) VALUES (?, ?, ?, ?)"

TAKE_OWNERSHIP = "UPDATE ownership SET epoch = epoch + 1, node_id = ? WHERE id = 1 RETURNING epoch"
EPOCH = "SELECT epoch FROM ownership WHERE id = 1"

_HEAD_COLUMNS = (
    "workflow, blueprint_hash, status, started_at_ns, ended_at_ns, ready, wake_at_ns, "
    "step_index, total_steps, step_name"
)
INSERT_HEAD = f"""
INSERT INTO executions (execution_id, shard, version, {_HEAD_COLUMNS})
VALUES (:execution_id, :shard, :version, :workflow, :blueprint_hash, :status, :started_at_ns, :ended_at_ns,
        :ready, :wake_at_ns, :step_index, :total_steps, :step_name)
ON CONFLICT DO NOTHING"""
UPDATE_HEAD = """
UPDATE executions
SET version = :version, status = :status, ended_at_ns = :ended_at_ns, ready = :ready, wake_at_ns = :wake_at_ns,
    step_index = :step_index, step_name = :step_name
WHERE execution_id = :execution_id AND shard = :shard AND version = :expected_version"""
INSERT_EVENT = "INSERT INTO events (execution_id, version, shard, data) VALUES (?, ?, ?, ?)"
EVENTS = "SELECT data FROM events WHERE execution_id = ? AND version > ? ORDER BY version LIMIT ?"

HEAD = f"SELECT execution_id, version, {_HEAD_COLUMNS} FROM executions WHERE execution_id = ?"
_FILTER = "(:workflow = '' OR workflow = :workflow) AND (:status = -1 OR status = :status)"
HEADS = f"""
SELECT execution_id, version, {_HEAD_COLUMNS} FROM executions
WHERE {_FILTER} ORDER BY started_at_ns DESC, execution_id DESC LIMIT :limit OFFSET :offset"""
COUNT_HEADS = f"SELECT count(*) FROM executions WHERE {_FILTER}"
READY = "SELECT execution_id FROM executions WHERE ready = 1 AND execution_id > ? ORDER BY execution_id LIMIT ?"
DUE = """
SELECT wake_at_ns, execution_id FROM executions
WHERE wake_at_ns IS NOT NULL AND wake_at_ns <= ? ORDER BY wake_at_ns, execution_id LIMIT ?"""

PUT_BLUEPRINT = "INSERT INTO blueprints (hash, workflow, data, stored_at_ns) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
PUT_NEWEST = """
INSERT INTO newest_blueprints (workflow, hash) VALUES (?, ?)
ON CONFLICT (workflow) DO UPDATE SET hash = excluded.hash"""
BLUEPRINT = "SELECT hash, workflow, data, stored_at_ns FROM blueprints WHERE hash = ?"
NEWEST_BLUEPRINT = """
SELECT b.hash, b.workflow, b.data, b.stored_at_ns
FROM newest_blueprints AS n JOIN blueprints AS b ON b.hash = n.hash WHERE n.workflow = ?"""

PUT_WORKER = """
INSERT INTO workers (worker_id, registration, seen_at_ns) VALUES (?, ?, ?)
ON CONFLICT (worker_id) DO UPDATE SET registration = excluded.registration, seen_at_ns = excluded.seen_at_ns"""
REMOVE_WORKER = "DELETE FROM workers WHERE worker_id = ?"
WORKERS = "SELECT worker_id, registration, seen_at_ns FROM workers ORDER BY worker_id"


def head_row(append: Append, shard: int) -> dict[str, Cell]:
    """The bindings of INSERT_HEAD and UPDATE_HEAD."""
    head = append.head
    return {
        "execution_id": append.execution_id,
        "shard": shard,
        "version": append.expected_version + len(append.events),
        "expected_version": append.expected_version,
        "workflow": head.workflow,
        "blueprint_hash": head.blueprint_hash,
        "status": int(head.status),
        "started_at_ns": head.started_at.to_ns(),
        "ended_at_ns": _ns(head.ended_at),
        "ready": int(head.ready),
        "wake_at_ns": _ns(head.wake_at),
        "step_index": head.step_index,
        "total_steps": head.total_steps,
        "step_name": head.step_name,
    }


def event_rows(append: Append, shard: int) -> list[Row]:
    """The bindings of INSERT_EVENT. Made by the caller's thread: the writer's time is everybody's."""
    return [(append.execution_id, event.version, shard, event.to_bytes()) for event in append.events]


def event(row: Row) -> Event:
    """An event of EVENTS."""
    return Event.from_bytes(cast("bytes", row[0]))


def stored_head(row: Row) -> StoredHead:
    """A head of HEAD or HEADS."""
    cells: Iterator[Cell] = iter(row)
    execution_id, version, workflow, blueprint_hash = (next(cells) for _ in range(4))
    status, started, ended, ready, wake, index, total, step = cells
    return StoredHead(
        execution_id=cast("str", execution_id),
        version=cast("int", version),
        head=Head(
            workflow=cast("str", workflow),
            blueprint_hash=cast("str", blueprint_hash),
            status=ExecutionState(cast("int", status)),
            started_at=Timestamp.from_ns(cast("int", started)),
            ended_at=_timestamp(ended),
            ready=ready == 1,
            wake_at=_timestamp(wake),
            step_index=cast("int", index),
            total_steps=cast("int", total),
            step_name=cast("str", step),
        ),
    )


def due(row: Row) -> Due:
    """A timer of DUE."""
    return Due(Timestamp.from_ns(cast("int", row[0])), cast("str", row[1]))


def blueprint(row: Row) -> BlueprintRecord:
    """A blueprint of BLUEPRINT or NEWEST_BLUEPRINT."""
    return BlueprintRecord(
        hash=cast("str", row[0]),
        workflow=cast("str", row[1]),
        data=cast("bytes", row[2]),
        stored_at=Timestamp.from_ns(cast("int", row[3])),
    )


def worker(row: Row) -> WorkerRecord:
    """A worker of WORKERS."""
    return WorkerRecord(
        worker_id=cast("str", row[0]),
        registration=cast("bytes", row[1]),
        seen_at=Timestamp.from_ns(cast("int", row[2])),
    )


def migration(row: Row) -> tuple[int, str]:
    """A number and checksum of MIGRATIONS."""
    return cast("int", row[0]), cast("str", row[1])


def number(row: Row) -> int:
    """The one number of a row."""
    return cast("int", row[0])


def text(row: Row) -> str:
    """The one text of a row."""
    return cast("str", row[0])


def _ns(instant: Timestamp | None) -> int | None:
    return None if instant is None else instant.to_ns()


def _timestamp(cell: Cell) -> Timestamp | None:
    return None if cell is None else Timestamp.from_ns(cast("int", cell))
