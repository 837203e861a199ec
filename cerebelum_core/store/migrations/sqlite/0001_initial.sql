-- The key of an execution leads with its id, which is time-ordered: rows that are written together lie together.
-- The shard is part of it so that the same rows can be spread over nodes later.

CREATE TABLE ownership (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch INTEGER NOT NULL,
    node_id TEXT NOT NULL
);

INSERT INTO ownership (id, epoch, node_id) VALUES (1, 0, '');

-- An execution has a number of its own in this file, which is never given to another one.
CREATE TABLE executions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    execution_id TEXT NOT NULL,
    shard INTEGER NOT NULL,
    version INTEGER NOT NULL,
    workflow TEXT NOT NULL,
    blueprint_hash TEXT NOT NULL,
    status INTEGER NOT NULL,
    started_at_ns INTEGER NOT NULL,
    ended_at_ns INTEGER,
    ready INTEGER NOT NULL,
    wake_at_ns INTEGER,
    step_index INTEGER NOT NULL,
    total_steps INTEGER NOT NULL,
    step_name TEXT NOT NULL,
    UNIQUE (execution_id, shard)
);

CREATE INDEX executions_by_start ON executions (started_at_ns, execution_id);
CREATE INDEX executions_by_workflow ON executions (workflow, started_at_ns, execution_id);
CREATE INDEX executions_by_status ON executions (status, started_at_ns, execution_id);
CREATE INDEX executions_ended ON executions (ended_at_ns, execution_id) WHERE ended_at_ns IS NOT NULL;
CREATE INDEX executions_ready ON executions (execution_id) WHERE ready = 1;
CREATE INDEX executions_due ON executions (wake_at_ns, execution_id) WHERE wake_at_ns IS NOT NULL;

-- Events lie in the order in which they were written, and each of them whole: of a table that is sorted by its key,
-- SQLite keeps no more than a quarter of a page of a row in its place, and gives the rest a page of its own. They name
-- their execution by its number; its id would stand in each of them twice, in the row and in the key.
CREATE TABLE events (
    number INTEGER NOT NULL,
    version INTEGER NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (number, version)
);

CREATE TABLE snapshots (
    execution_id TEXT NOT NULL,
    shard INTEGER NOT NULL,
    version INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (execution_id, shard)
);

CREATE TABLE blueprints (
    hash TEXT PRIMARY KEY,
    workflow TEXT NOT NULL,
    data BLOB NOT NULL,
    stored_at_ns INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE newest_blueprints (
    workflow TEXT PRIMARY KEY,
    hash TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE workers (
    worker_id TEXT PRIMARY KEY,
    registration BLOB NOT NULL,
    seen_at_ns INTEGER NOT NULL
) WITHOUT ROWID;
