"""Every statement of the SQLite store."""

from __future__ import annotations

from cerebelum_core.store.rows import APPEND_CELLS, HEAD_COLUMNS

TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*' ORDER BY name"
CREATE_MIGRATIONS = """
CREATE TABLE IF NOT EXISTS migrations (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at_ns INTEGER NOT NULL
)"""
MIGRATIONS = "SELECT number, checksum FROM migrations ORDER BY number"
PUT_MIGRATION = "INSERT INTO migrations (number, name, checksum, applied_at_ns) VALUES (?, ?, ?, ?)"

TAKE_OWNERSHIP = "UPDATE ownership SET epoch = epoch + 1, node_id = ? WHERE id = 1 RETURNING epoch"
EPOCH = "SELECT epoch FROM ownership WHERE id = 1"

OWNER = -1
"""Stands where the version is expected that a history has, in the row that says which epoch writes."""
REFUSED = "the history has another length, or the store another owner"
_OF_SAME_ID = "WHERE execution_id = new.execution_id AND shard = new.shard"
_OF_SAME_VERSION = f"{_OF_SAME_ID} AND version = new.expected_version"
_EVENT_OF = f"SELECT number, {{version}}, new.data FROM executions {_OF_SAME_ID}"
_ADD_FIRST_EVENT = f"""
    SELECT RAISE(ABORT, '{REFUSED}') WHERE changes() = 0;
    INSERT INTO events (number, version, data) {_EVENT_OF.format(version="new.expected_version + 1")}"""
# These live with the connection, not in the file. The row of an append's first event carries the head that all of its
# events lead to, without a status when no index would find the execution elsewhere than before: SQLite writes to every
# index of a column that is set, also to what it was. Rows of further events have no expected version. Blank rows do
# nothing.
CREATE_APPENDS = f"""
CREATE TEMP VIEW appends AS SELECT {", ".join(f"NULL AS {cell}" for cell in APPEND_CELLS)};

CREATE TEMP TRIGGER check_owner INSTEAD OF INSERT ON appends WHEN new.expected_version = {OWNER} BEGIN
    SELECT RAISE(ABORT, '{REFUSED}') FROM ownership WHERE id = 1 AND epoch <> new.version;
END;

CREATE TEMP TRIGGER begin_execution INSTEAD OF INSERT ON appends WHEN new.expected_version = 0 BEGIN
    INSERT INTO executions (execution_id, shard, version, {HEAD_COLUMNS})
    VALUES (new.execution_id, new.shard, new.version, {", ".join(f"new.{name}" for name in HEAD_COLUMNS.split(", "))})
    ON CONFLICT DO NOTHING;
    {_ADD_FIRST_EVENT};
END;

CREATE TEMP TRIGGER move_step INSTEAD OF INSERT ON appends
WHEN new.expected_version > 0 AND new.status IS NULL BEGIN
    UPDATE executions SET version = new.version, step_index = new.step_index, step_name = new.step_name
    {_OF_SAME_VERSION};
    {_ADD_FIRST_EVENT};
END;

CREATE TEMP TRIGGER move_execution INSTEAD OF INSERT ON appends
WHEN new.expected_version > 0 AND new.status IS NOT NULL BEGIN
    UPDATE executions
    SET version = new.version, status = new.status, ended_at_ns = new.ended_at_ns, ready = new.ready,
        wake_at_ns = new.wake_at_ns, step_index = new.step_index, step_name = new.step_name,
        blueprint_hash = new.blueprint_hash, total_steps = new.total_steps
    {_OF_SAME_VERSION};
    {_ADD_FIRST_EVENT};
END;

CREATE TEMP TRIGGER add_event INSTEAD OF INSERT ON appends
WHEN new.expected_version IS NULL AND new.data IS NOT NULL BEGIN
    INSERT INTO events (number, version, data) {_EVENT_OF.format(version="new.version")};
END;
"""
INSERT_APPENDS = "INSERT INTO appends VALUES {rows}"

# What may be many rows comes as one, in JSON: after each row the reader's thread has to wait for the interpreter's
# lock, while the loop is busy. A blob is hexadecimal there.
EVENTS = """
SELECT json_group_array(json_array(hex(data))) FROM (
    SELECT data FROM events
    WHERE number = (SELECT number FROM executions WHERE execution_id = ?) AND version > ? ORDER BY version LIMIT ?
)"""
HISTORIES = """
SELECT json_group_array(json_array(execution_id, hex(data))) FROM (
    SELECT x.execution_id, e.data FROM executions AS x JOIN events AS e ON e.number = x.number
    WHERE x.execution_id IN (SELECT value FROM json_each(?)) AND e.version <= ? ORDER BY x.execution_id, e.version
)"""
READY = """
SELECT json_group_array(json_array(execution_id)) FROM (
    SELECT execution_id FROM executions WHERE ready = 1 AND execution_id > ? ORDER BY execution_id LIMIT ?
)"""
DUE = """
SELECT json_group_array(json_array(wake_at_ns, execution_id)) FROM (
    SELECT wake_at_ns, execution_id FROM executions
    WHERE wake_at_ns IS NOT NULL AND wake_at_ns <= ? ORDER BY wake_at_ns, execution_id LIMIT ?
)"""

PUT_SNAPSHOT = """
INSERT INTO snapshots (execution_id, shard, version, data) VALUES (?, ?, ?, ?)
ON CONFLICT (execution_id, shard) DO UPDATE SET version = excluded.version, data = excluded.data
WHERE excluded.version > snapshots.version"""
SNAPSHOT = "SELECT data FROM snapshots WHERE execution_id = ?"
HEAD = f"SELECT execution_id, version, {HEAD_COLUMNS} FROM executions WHERE execution_id = ?"

# What it is described with may change under the same hash.
PUT_BLUEPRINT = """
INSERT INTO blueprints (hash, workflow, data, stored_at_ns) VALUES (?, ?, ?, ?)
ON CONFLICT (hash) DO UPDATE SET data = excluded.data, stored_at_ns = excluded.stored_at_ns
WHERE blueprints.data <> excluded.data"""
PUT_NEWEST = """
INSERT INTO newest_blueprints (workflow, hash) VALUES (?, ?)
ON CONFLICT (workflow) DO UPDATE SET hash = excluded.hash"""
BLUEPRINT = "SELECT hash, workflow, data, stored_at_ns FROM blueprints WHERE hash = ?"
BLUEPRINTS = """
SELECT b.hash, b.workflow, b.data, b.stored_at_ns
FROM blueprints AS b LEFT JOIN newest_blueprints AS n ON n.hash = b.hash
ORDER BY n.hash IS NOT NULL, b.stored_at_ns, b.hash"""
NEWEST_BLUEPRINT = """
SELECT b.hash, b.workflow, b.data, b.stored_at_ns
FROM newest_blueprints AS n JOIN blueprints AS b ON b.hash = n.hash WHERE n.workflow = ?"""

PUT_WORKER = """
INSERT INTO workers (worker_id, registration, seen_at_ns) VALUES (?, ?, ?)
ON CONFLICT (worker_id) DO UPDATE SET registration = excluded.registration, seen_at_ns = excluded.seen_at_ns"""
REMOVE_WORKER = "DELETE FROM workers WHERE worker_id = ?"
WORKERS = "SELECT worker_id, registration, seen_at_ns FROM workers ORDER BY worker_id"
