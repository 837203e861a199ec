"""Every statement of the PostgreSQL store. Portable: nothing that a compatible distributed database lacks.

A batch is one statement a kind. It locks the row of ownership first, so that an append and a change of owner come one
after the other; a row whose version is not the expected one drops out, and takes nobody else's with it. It returns how
many won, unless all did with a row for each of them, and nothing when another Core is the owner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, cast

from cerebelum_core.store.postgres_line import Statement
from cerebelum_core.store.rows import HEAD_COLUMNS, Cell

TABLES = frozenset(
    {"migrations", "ownership", "events", "executions", "snapshots", "blueprints", "newest_blueprints", "workers"}
)

PRESENT = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'cerebelum'"
CREATE_SCHEMA = "CREATE SCHEMA IF NOT EXISTS cerebelum"
CREATE_MIGRATIONS = """
CREATE TABLE IF NOT EXISTS cerebelum.migrations (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at_ns BIGINT NOT NULL
)"""
MIGRATIONS = "SELECT number, checksum FROM cerebelum.migrations ORDER BY number"
PUT_MIGRATION = "INSERT INTO cerebelum.migrations (number, name, checksum, applied_at_ns) VALUES (%s, %s, %s, %s)"
PERMITTED = """
SELECT has_table_privilege(%s, 'SELECT') AND has_table_privilege(%s, 'INSERT')
   AND has_table_privilege(%s, 'UPDATE') AND has_table_privilege(%s, 'DELETE')"""

OWNER = "SELECT epoch, node_id, machine, process_id, lease_until_ns FROM cerebelum.ownership WHERE id = 1"
TAKE_OWNERSHIP = """
UPDATE cerebelum.ownership
SET epoch = epoch + 1, node_id = %(node_id)s, machine = %(machine)s, process_id = %(process_id)s,
    lease_until_ns = %(until_ns)s
WHERE id = 1 AND epoch = %(epoch)s AND lease_until_ns = %(seen_until_ns)s RETURNING epoch"""
RENEW = "UPDATE cerebelum.ownership SET lease_until_ns = %s WHERE id = 1 AND epoch = %s RETURNING epoch"

_OWNER = "owner AS (SELECT epoch FROM cerebelum.ownership WHERE id = 1 AND epoch = %(epoch)s FOR SHARE)"
_EVENTS = """
    SELECT e.execution_id, e.version, e.shard, e.data
    FROM won JOIN (
        SELECT unnest(%(event_execution_ids)s::text[]) AS execution_id, unnest(%(event_versions)s::bigint[]) AS version,
               unnest(%(event_shards)s::integer[]) AS shard, unnest(%(event_data)b::bytea[]) AS data
    ) AS e ON e.execution_id = won.execution_id
)
SELECT (SELECT count(*) FROM won), w.execution_id
FROM owner LEFT JOIN (
    SELECT execution_id FROM won WHERE (SELECT count(*) FROM won) < %(appends)s::bigint
) AS w ON true"""
_WRITTEN = "written AS (INSERT INTO cerebelum.events (execution_id, version, shard, data)"
BEGIN_EXECUTIONS = f"""
WITH {_OWNER}, won AS (
    INSERT INTO cerebelum.executions (execution_id, shard, version, {HEAD_COLUMNS})
    SELECT b.* FROM owner, (
        SELECT unnest(%(execution_id)s::text[]), unnest(%(shard)s::integer[]), unnest(%(version)s::bigint[]),
               unnest(%(workflow)s::text[]), unnest(%(blueprint_hash)s::text[]), unnest(%(status)s::integer[]),
               unnest(%(started_at_ns)s::bigint[]), unnest(%(ended_at_ns)s::bigint[]), unnest(%(ready)s::integer[]),
               unnest(%(wake_at_ns)s::bigint[]), unnest(%(step_index)s::integer[]),
               unnest(%(total_steps)s::integer[]), unnest(%(step_name)s::text[])
    ) AS b
    ON CONFLICT DO NOTHING
    RETURNING execution_id
), {_WRITTEN}{_EVENTS}"""
# The first event of each comes with its head, so that nothing has to bring the two together. Without a status the step
# alone is another one.
MOVE_EXECUTIONS = f"""
WITH {_OWNER}, won AS (
    UPDATE cerebelum.executions AS x
    SET version = b.version, step_index = b.step_index, step_name = b.step_name,
        status = COALESCE(b.status, x.status), ready = COALESCE(b.ready, x.ready),
        ended_at_ns = CASE WHEN b.status IS NULL THEN x.ended_at_ns ELSE b.ended_at_ns END,
        wake_at_ns = CASE WHEN b.status IS NULL THEN x.wake_at_ns ELSE b.wake_at_ns END,
        blueprint_hash = COALESCE(b.blueprint_hash, x.blueprint_hash),
        total_steps = COALESCE(b.total_steps, x.total_steps)
    FROM owner, (
        SELECT unnest(%(execution_id)s::text[]) AS execution_id, unnest(%(shard)s::integer[]) AS shard,
               unnest(%(expected_version)s::bigint[]) AS expected_version, unnest(%(version)s::bigint[]) AS version,
               unnest(%(status)s::integer[]) AS status, unnest(%(ended_at_ns)s::bigint[]) AS ended_at_ns,
               unnest(%(ready)s::integer[]) AS ready, unnest(%(wake_at_ns)s::bigint[]) AS wake_at_ns,
               unnest(%(step_index)s::integer[]) AS step_index, unnest(%(step_name)s::text[]) AS step_name,
               unnest(%(blueprint_hash)s::text[]) AS blueprint_hash, unnest(%(total_steps)s::integer[]) AS total_steps,
               unnest(%(data)b::bytea[]) AS data
    ) AS b
    WHERE x.execution_id = b.execution_id AND x.shard = b.shard AND x.version = b.expected_version
    RETURNING x.execution_id, x.shard, b.expected_version, b.data
), {_WRITTEN}
    SELECT execution_id, expected_version + 1, shard, data FROM won
    UNION ALL{_EVENTS}"""
BEGIN = Statement.of("begin", BEGIN_EXECUTIONS)
MOVE = Statement.of("move", MOVE_EXECUTIONS)

EVENTS = "SELECT data FROM cerebelum.events WHERE execution_id = %s AND version > %s ORDER BY version LIMIT %s"
HISTORIES = """
SELECT execution_id, data FROM cerebelum.events
WHERE execution_id = ANY(%s::text[]) AND version <= %s ORDER BY execution_id, version"""
PUT_SNAPSHOT = f"""
WITH {_OWNER}, kept AS (
    INSERT INTO cerebelum.snapshots AS s (execution_id, shard, version, data)
    SELECT %(execution_id)s, %(shard)s, %(version)s, %(data)s FROM owner
    ON CONFLICT (execution_id, shard) DO UPDATE SET version = excluded.version, data = excluded.data
    WHERE excluded.version > s.version
)
SELECT epoch FROM owner"""
SNAPSHOT = "SELECT data FROM cerebelum.snapshots WHERE execution_id = %s"
HEAD = f"SELECT execution_id, version, {HEAD_COLUMNS} FROM cerebelum.executions WHERE execution_id = %s"
READY = """
SELECT execution_id FROM cerebelum.executions WHERE ready = 1 AND execution_id > %s ORDER BY execution_id LIMIT %s"""
DUE = """
SELECT wake_at_ns, execution_id FROM cerebelum.executions
WHERE wake_at_ns IS NOT NULL AND wake_at_ns <= %s ORDER BY wake_at_ns, execution_id LIMIT %s"""

# What it is described with may change under the same hash.
PUT_BLUEPRINT = f"""
WITH {_OWNER}, kept AS (
    INSERT INTO cerebelum.blueprints (hash, workflow, data, stored_at_ns)
    SELECT %(hash)s, %(workflow)s, %(data)s, %(stored_at_ns)s FROM owner
    ON CONFLICT (hash) DO UPDATE SET data = excluded.data, stored_at_ns = excluded.stored_at_ns
    WHERE blueprints.data <> excluded.data
)
INSERT INTO cerebelum.newest_blueprints (workflow, hash) SELECT %(workflow)s, %(hash)s FROM owner
ON CONFLICT (workflow) DO UPDATE SET hash = excluded.hash RETURNING hash"""
BLUEPRINT = "SELECT hash, workflow, data, stored_at_ns FROM cerebelum.blueprints WHERE hash = %s"
BLUEPRINTS = """
SELECT b.hash, b.workflow, b.data, b.stored_at_ns
FROM cerebelum.blueprints AS b LEFT JOIN cerebelum.newest_blueprints AS n ON n.hash = b.hash
ORDER BY n.hash IS NOT NULL, b.stored_at_ns, b.hash"""
NEWEST_BLUEPRINT = """
SELECT b.hash, b.workflow, b.data, b.stored_at_ns
FROM cerebelum.newest_blueprints AS n JOIN cerebelum.blueprints AS b ON b.hash = n.hash WHERE n.workflow = %s"""

PUT_WORKER = f"""
WITH {_OWNER}
INSERT INTO cerebelum.workers (worker_id, registration, seen_at_ns)
SELECT %(worker_id)s, %(registration)s, %(seen_at_ns)s FROM owner
ON CONFLICT (worker_id) DO UPDATE SET registration = excluded.registration, seen_at_ns = excluded.seen_at_ns
RETURNING worker_id"""
REMOVE_WORKER = f"""
WITH {_OWNER}, removed AS (
    DELETE FROM cerebelum.workers USING owner WHERE worker_id = %(worker_id)s
)
SELECT epoch FROM owner"""
WORKERS = "SELECT worker_id, registration, seen_at_ns FROM cerebelum.workers ORDER BY worker_id"


def text_array(values: Sequence[Cell]) -> str:
    """Texts as PostgreSQL writes an array: one text of constant type costs less than an adapter a value."""
    texts = cast("Sequence[str]", values)
    joined = '","'.join(texts)
    if "\\" in joined or joined.count('"') != 2 * (len(texts) - 1):
        joined = '","'.join([text.replace("\\", "\\\\").replace('"', '\\"') for text in texts])
    return '{"' + joined + '"}' if texts else "{}"


def number_array(values: Sequence[Cell]) -> str:
    """Numbers, or None, as PostgreSQL writes an array. Python's own list is but for its brackets the same."""
    return "{" + str([*values])[1:-1].replace("None", "NULL") + "}"


_TEXTS = {"execution_id", "workflow", "blueprint_hash", "step_name"}
_Array: TypeAlias = Callable[[Sequence[Cell]], str]


def _arrays(*columns: str) -> dict[str, _Array]:
    return {each: text_array if each in _TEXTS else number_array for each in columns}


BEGIN_COLUMNS = _arrays("execution_id", "shard", "version", *HEAD_COLUMNS.split(", "))
MOVE_COLUMNS = _arrays("execution_id", "shard", "version", "expected_version", "step_index", "step_name")
"""What each move has."""
TOLD_COLUMNS = _arrays("blueprint_hash", "status", "ended_at_ns", "ready", "wake_at_ns", "total_steps")
"""What those have beside that do more than move a step."""
