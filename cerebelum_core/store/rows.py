"""What the rows of a database mean, in every dialect: the same columns in the same order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias, cast

from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.store.records import Append, BlueprintRecord, Due, Head, StoredHead, WorkerRecord, shard_of
from cerebelum_proto.events.v1.events_pb import Event
from cerebelum_proto.events.v1.snapshot_pb import Snapshot
from cerebelum_proto.worker.worker_service_pb import ExecutionState

Cell: TypeAlias = int | float | bytes | str | None
Row: TypeAlias = tuple[Cell, ...]
Bindings: TypeAlias = Sequence[Cell] | Mapping[str, Cell]

LAST_NS = (1 << 63) - 1
"""The last instant that a column holds."""

HEAD_COLUMNS = (
    "workflow, blueprint_hash, status, started_at_ns, ended_at_ns, ready, wake_at_ns, "
    "step_index, total_steps, step_name"
)


APPEND_CELLS = ("execution_id", "shard", "version", "expected_version", *HEAD_COLUMNS.split(", "), "data")
"""What a row of an append holds: whose it is, which version it gets, which one its execution must have now, the head
that the append leads to, and an event. Rows of further events have no expected version and no head.
"""
_NO_HEAD: Row = (None,) * len(HEAD_COLUMNS.split(", "))

Statements: TypeAlias = list[tuple[str, Row]]
"""Statements and what is bound to each: all of them happen or none."""
Write: TypeAlias = Row | Statements
"""What a store's writer is handed: an append as the cells of its rows, one row behind the other, or statements. Values
that can be sent to another process as they are, made where they are posted: the writer's time is everybody's.
"""


def cells_of(append: Append) -> Row:
    """The cells of an append's rows, one behind the other.

    Where of the head that is stored only the version and the step become other ones, all else is left out, the status
    first of all.
    """
    execution_id, expected, events, head = append.execution_id, append.expected_version, append.events, append.head
    shard = shard_of(execution_id) if append.shard is None else append.shard
    version, first = expected + len(events), events[0].to_bytes()
    is_step_alone = append.before is not None and head.leaves_alone(append.before)
    if is_step_alone and len(events) == 1:  # as nearly all are; a tuple that is spelled out is made at once
        index, step = head.step_index, head.step_name
        # fmt: off
        return (
            execution_id, shard, version, expected, None, None, None, None, None, None, None, index, None, step, first,
        )
        # fmt: on
    told = (*_NO_HEAD[:7], head.step_index, None, head.step_name) if is_step_alone else _head_cells(head)
    row: list[Cell] = [execution_id, shard, version, expected, *told, first]
    for each in events[1:]:
        row += (execution_id, shard, each.version, None, *_NO_HEAD, each.to_bytes())
    return tuple(row)


def weight(write: Write) -> int:
    """How many bytes a write brings that may be many: of events, a snapshot or a blueprint."""
    row = len(APPEND_CELLS)
    if isinstance(write, tuple):
        if len(write) == row:
            return len(octets(write[-1:]))
        return sum(len(octets(write[at : at + 1])) for at in range(row - 1, len(write), row))
    return sum(len(cell) for _, cells in write for cell in cells if isinstance(cell, bytes))


def _head_cells(head: Head) -> Row:
    return (
        head.workflow,
        head.blueprint_hash,
        int(head.status),
        head.started_at.to_ns(),
        _ns(head.ended_at),
        int(head.ready),
        _ns(head.wake_at),
        head.step_index,
        head.total_steps,
        head.step_name,
    )


def event(row: Row) -> Event:
    """An event from its bytes."""
    return Event.from_bytes(cast("bytes", row[0]))


def histories(found: Iterable[Row]) -> dict[str, list[Event]]:
    """Events by execution, from rows in which those of each stand in order."""
    histories: dict[str, list[Event]] = {}
    for execution_id, data in found:
        histories.setdefault(cast("str", execution_id), []).append(Event.from_bytes(cast("bytes", data)))
    return histories


def snapshot_row(taken: Snapshot) -> tuple[str, int, int, bytes]:
    """Execution, shard, version and bytes of a snapshot."""
    return taken.execution_id, shard_of(taken.execution_id), taken.version, taken.to_bytes()


def snapshot(row: Row) -> Snapshot:
    """A snapshot from its bytes."""
    return Snapshot.from_bytes(cast("bytes", row[0]))


def stored_head(row: Row) -> StoredHead:
    """A head of its columns."""
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
    """A timer."""
    return Due(Timestamp.from_ns(cast("int", row[0])), cast("str", row[1]))


def blueprint(row: Row) -> BlueprintRecord:
    """A blueprint."""
    return BlueprintRecord(
        hash=cast("str", row[0]),
        workflow=cast("str", row[1]),
        data=cast("bytes", row[2]),
        stored_at=Timestamp.from_ns(cast("int", row[3])),
    )


def worker(row: Row) -> WorkerRecord:
    """A worker."""
    return WorkerRecord(
        worker_id=cast("str", row[0]),
        registration=cast("bytes", row[1]),
        seen_at=Timestamp.from_ns(cast("int", row[2])),
    )


def migration(row: Row) -> tuple[int, str]:
    """A migration's number and checksum."""
    return cast("int", row[0]), cast("str", row[1])


def number(row: Row) -> int:
    """The one number of a row."""
    return cast("int", row[0])


def text(row: Row) -> str:
    """The one text of a row."""
    return cast("str", row[0])


def octets(row: Row) -> bytes:
    """The one text of bytes of a row."""
    return cast("bytes", row[0])


def _ns(instant: Timestamp | None) -> int | None:
    """An instant as 64 bits hold it: what lies beyond the year 2262 is kept as that."""
    return None if instant is None else min(instant.to_ns(), LAST_NS)


def _timestamp(cell: Cell) -> Timestamp | None:
    return None if cell is None else Timestamp.from_ns(cast("int", cell))
