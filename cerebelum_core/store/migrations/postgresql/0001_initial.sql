-- Keys lead with the execution's id, which is time-ordered: rows that are written together lie together.
-- The shard is part of every unique key so that the same rows can be spread over nodes later.
-- Nothing here draws a number, fires a trigger or reads a clock.

CREATE TABLE cerebelum.ownership (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL,
    node_id TEXT NOT NULL,
    machine TEXT NOT NULL,
    process_id BIGINT NOT NULL,
    lease_until_ns BIGINT NOT NULL
);

INSERT INTO cerebelum.ownership (id, epoch, node_id, machine, process_id, lease_until_ns) VALUES (1, 0, '', '', 0, 0);

CREATE TABLE cerebelum.events (
    execution_id TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    shard INTEGER NOT NULL,
    data BYTEA NOT NULL,
    PRIMARY KEY (execution_id, version, shard)
);

CREATE TABLE cerebelum.executions (
    execution_id TEXT COLLATE "C" NOT NULL,
    shard INTEGER NOT NULL,
    version BIGINT NOT NULL,
    workflow TEXT NOT NULL,
    blueprint_hash TEXT NOT NULL,
    status INTEGER NOT NULL,
    started_at_ns BIGINT NOT NULL,
    ended_at_ns BIGINT,
    ready INTEGER NOT NULL,
    wake_at_ns BIGINT,
    step_index INTEGER NOT NULL,
    total_steps INTEGER NOT NULL,
    step_name TEXT NOT NULL,
    PRIMARY KEY (execution_id, shard)
) WITH (fillfactor = 50); -- a step moves its row within the page then, and touches none of the indexes

CREATE INDEX executions_by_start ON cerebelum.executions (started_at_ns, execution_id);
CREATE INDEX executions_by_workflow ON cerebelum.executions (workflow, started_at_ns, execution_id);
CREATE INDEX executions_by_status ON cerebelum.executions (status, started_at_ns, execution_id);
CREATE INDEX executions_ended ON cerebelum.executions (ended_at_ns, execution_id) WHERE ended_at_ns IS NOT NULL;
CREATE INDEX executions_ready ON cerebelum.executions (execution_id) WHERE ready = 1;
CREATE INDEX executions_due ON cerebelum.executions (wake_at_ns, execution_id) WHERE wake_at_ns IS NOT NULL;

CREATE TABLE cerebelum.snapshots (
    execution_id TEXT COLLATE "C" NOT NULL,
    shard INTEGER NOT NULL,
    version BIGINT NOT NULL,
    data BYTEA NOT NULL,
    PRIMARY KEY (execution_id, shard)
);

CREATE TABLE cerebelum.blueprints (
    hash TEXT PRIMARY KEY,
    workflow TEXT NOT NULL,
    data BYTEA NOT NULL,
    stored_at_ns BIGINT NOT NULL
);

CREATE TABLE cerebelum.newest_blueprints (
    workflow TEXT PRIMARY KEY,
    hash TEXT NOT NULL
);

CREATE TABLE cerebelum.workers (
    worker_id TEXT COLLATE "C" PRIMARY KEY,
    registration BYTEA NOT NULL,
    seen_at_ns BIGINT NOT NULL
);
