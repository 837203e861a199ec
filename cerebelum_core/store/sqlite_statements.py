"""Every statement of the SQLite store."""

from __future__ import annotations

from cerebelum_core.store.rows import HEAD_CELLS, HEAD_COLUMNS

CREATE_MIGRATIONS = """
CREATE TABLE IF NOT EXISTS migrations (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at_ns INTEGER NOT NULL
)"""
MIGRATIONS = "SELECT number, checksum FROM migrations ORDER BY number"
PUT_MIGRATION = "INSERT INTO migrations (number, name, checksum, applied_at_ns) VALUES (?, ?, ?, ?)"

TAKE_OWNERSHIP = "UPDATE ownership SET epoch = epoch + 1, node_id = ? WHERE id = 1 RETURNING epoch"
EPOCH = "SELECT epoch FROM ownership WHERE id = 1"

INSERT_HEADS = f"""
WITH rows ({", ".join(HEAD_CELLS)}) AS (VALUES {{rows}})
INSERT INTO executions (execution_id, shard, version, {HEAD_COLUMNS})
SELECT execution_id, shard, version, {HEAD_COLUMNS} FROM rows WHERE true
ON CONFLICT DO NOTHING"""
UPDATE_HEADS = f"""
WITH rows ({", ".join(HEAD_CELLS)}) AS (VALUES {{rows}})
UPDATE executions
SET version = rows.version, status = rows.status, ended_at_ns = rows.ended_at_ns, ready = rows.ready,
    wake_at_ns = rows.wake_at_ns, step_index = rows.step_index, step_name = rows.step_name,
    blueprint_hash = rows.blueprint_hash, total_steps = rows.total_steps
FROM rows
WHERE executions.execution_id = rows.execution_id AND executions.shard = rows.shard
  AND executions.version = rows.expected_version"""
INSERT_EVENTS = "INSERT INTO events (execution_id, version, shard, data) VALUES {rows}"

# What may be many rows comes as one, in JSON: after each row the reader's thread has to wait for the interpreter's
# lock, while the loop is busy. A blob is hexadecimal there.
EVENTS = """
SELECT json_group_array(json_array(hex(data)))
FROM (SELECT data FROM events WHERE execution_id = ? AND version > ? ORDER BY version LIMIT ?)"""
HISTORIES = """
SELECT json_group_array(json_array(execution_id, hex(data))) FROM (
    SELECT execution_id, data FROM events
    WHERE execution_id IN (SELECT value FROM json_each(?)) AND version <= ? ORDER BY execution_id, version
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
