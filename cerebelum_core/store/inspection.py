"""Whether a store is whole: every history without a gap, every head true, every blueprint there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cerebelum_codegen.runtime.errors import DecodeError
from cerebelum_core.errors import StoreUnusable
from cerebelum_core.store.database import Database
from cerebelum_core.store.rows import Cell, event, number, text
from cerebelum_proto.worker.worker_service_pb import ExecutionState

_SHOWN = 20
"""Faults of a kind that are named."""

_UNTRUE_HEADS = f"""
SELECT x.execution_id, x.version, count(e.version), coalesce(max(e.version), 0)
FROM @executions AS x LEFT JOIN @events AS e ON e.@key = x.@key
GROUP BY x.execution_id, x.version
HAVING count(e.version) <> x.version OR coalesce(max(e.version), 0) <> x.version LIMIT {_SHOWN}"""
_HEADLESS = f"""
SELECT DISTINCT e.@key FROM @events AS e LEFT JOIN @executions AS x ON x.@key = e.@key
WHERE x.@key IS NULL LIMIT {_SHOWN}"""
_ANY_EVENT = "SELECT data FROM @events WHERE @key = ? LIMIT 1"
_UNKNOWN_BLUEPRINTS = f"""
SELECT x.blueprint_hash, count(*) FROM @executions AS x LEFT JOIN @blueprints AS b ON b.hash = x.blueprint_hash
WHERE b.hash IS NULL GROUP BY x.blueprint_hash LIMIT {_SHOWN}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a store holds, and what is wrong with it."""

    executions: Mapping[ExecutionState, int]
    events: int
    blueprints: int
    owner: str
    """The node that owns it, or owned it last."""
    faults: Sequence[str]


def inspect(database: Database) -> Report:
    """Look at everything as it is at one moment. A Core may be running.

    Raises:
        StoreUnusable: it has no schema of ours, or not the newest.
    """
    missing = database.outstanding()
    if missing:
        names = ", ".join(migration.name for migration in missing)
        raise StoreUnusable(f"the store lacks the migrations {names}: run `cerebelum store migrate`")
    faults = list(database.faults())
    with database.snapshot():
        return Report(
            executions={
                ExecutionState(number(row)): number(row[1:])
                for row in database.rows("SELECT status, count(*) FROM @executions GROUP BY status ORDER BY status")
            },
            events=number(database.rows("SELECT count(*) FROM @events")[0]),
            blueprints=number(database.rows("SELECT count(*) FROM @blueprints")[0]),
            owner=owner(database),
            faults=[*faults, *_faults(database)],
        )


def owner(database: Database) -> str:
    """The node that owns it, or owned it last. The schema must be up to date."""
    return text(database.rows("SELECT node_id FROM @ownership")[0])


def _faults(database: Database) -> Iterator[str]:
    for row in database.rows(_UNTRUE_HEADS):
        head, events, last = row[1:]
        yield f"execution {text(row)!r} should have {head!r} events and has {events!r}, the last of version {last!r}"
    for row in database.rows(_HEADLESS):
        yield f"execution {_id_of(database, row[0])} has events and no head"
    for row in database.rows(_UNKNOWN_BLUEPRINTS):
        yield f"blueprint {text(row)!r} is not there, and {number(row[1:])} executions are pinned to it"


def _id_of(database: Database, key: Cell) -> str:
    """The id of an execution without a head, as an event of it tells it."""
    try:
        return repr(event(database.rows(_ANY_EVENT, key)[0]).execution_id)
    except DecodeError:
        return f"{key!r}, whose events cannot be read,"
