"""The schema `cerebelum` of a database: made and brought up to date, each migration whole or not at all."""

from __future__ import annotations

import psycopg

from cerebelum_core.clock import Clock
from cerebelum_core.errors import StoreUnusable
from cerebelum_core.store import postgres_statements as sql
from cerebelum_core.store.migrations import Migration, migrations, outstanding

_TRIES = 5
"""Two Cores that start at once on an empty database get in each other's way; one of them looks again."""

_RACES = (
    psycopg.errors.UniqueViolation,
    psycopg.errors.DuplicateTable,
    psycopg.errors.DuplicateSchema,
    psycopg.errors.SerializationFailure,
)


def migrate(connection: psycopg.Connection, clock: Clock) -> list[Migration]:
    """Bring the schema up to date; what was applied.

    Raises:
        StoreUnusable: it is of a newer Cerebelum, altered, half made, or somebody else's.
        psycopg.Error: the server refused.
    """
    for last in (False,) * (_TRIES - 1) + (True,):
        try:
            with connection.transaction():
                return _migrated(connection, clock)
        except _RACES:
            if last:
                raise
    raise AssertionError("unreachable")


def due_migrations(connection: psycopg.Connection) -> list[Migration]:
    """What `migrate` would apply.

    Raises:
        StoreUnusable: as for `migrate`.
    """
    present = {name for (name,) in connection.execute(sql.PRESENT)}
    known = migrations("postgresql")
    applied: dict[int, str] = dict(connection.execute(sql.MIGRATIONS).fetchall()) if "migrations" in present else {}
    left = outstanding(known, applied)
    if not applied and present - {"migrations"}:
        found = ", ".join(sorted(present))
        raise StoreUnusable(
            f"the schema 'cerebelum' has tables ({found}) and no record of how they were made: a migration that ran "
            "half, or another program's schema; restore a backup, or drop it (DROP SCHEMA cerebelum CASCADE) if it "
            "holds nothing that you need"
        )
    if not left and (missing := sql.TABLES - present):
        raise StoreUnusable(
            f"the schema 'cerebelum' lacks {', '.join(sorted(missing))}: a migration ran half; restore a backup"
        )
    return left


def require_permissions(connection: psycopg.Connection) -> None:
    """Refuse a role that cannot read and write every table.

    Raises:
        StoreUnusable: it names the first such table.
    """
    for table in sorted(sql.TABLES - {"migrations"}):
        if connection.execute(sql.PERMITTED, (f"cerebelum.{table}",) * 4).fetchone() != (True,):
            role = connection.info.user
            raise StoreUnusable(
                f"role '{role}' may not read and write cerebelum.{table}: "
                f'GRANT ALL ON ALL TABLES IN SCHEMA cerebelum TO "{role}"'
            )


def _migrated(connection: psycopg.Connection, clock: Clock) -> list[Migration]:
    left = due_migrations(connection)
    if left:
        connection.execute(sql.CREATE_SCHEMA)
        connection.execute(sql.CREATE_MIGRATIONS)
    for migration in left:
        # First its number, which only one transaction can insert: a second Core waits here, then looks again.
        row = (migration.number, migration.name, migration.checksum, clock.now().to_ns())
        connection.execute(sql.PUT_MIGRATION, row)
        connection.execute(migration.sql.encode())
    return left
