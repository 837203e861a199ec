"""Where a PostgreSQL is: connections to it, and why there is none, in words that hold no password."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cerebelum_core.errors import StoreUnusable, StoreUrlError
from cerebelum_core.store.postgres_patience import Patience

OLDEST = 14
"""The oldest major version that is still maintained by its makers."""

_DEFAULTS = {
    "application_name": "cerebelum",
    "connect_timeout": "5",
    # A peer that vanished is noticed, also in the middle of a commit.
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """A server, a database and whoever connects to it."""

    conninfo: str
    shown: str
    """Without the password, for people."""

    def connect(self, patience: Patience | None = None) -> psycopg.Connection:
        """A connection whose commits are on disk before they are acknowledged.

        `patience` is what a statement of a Core has. A migration, or a copy of a whole store, takes its time.

        Raises:
            psycopg.Error: there is none.
        """
        connection = psycopg.connect(self.conninfo, autocommit=True)
        try:
            with patience.over(connection) if patience is not None else nullcontext():
                _set_up(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def require_usable(self, connection: psycopg.Connection) -> None:
        """Refuse a server that cannot keep executions.

        Raises:
            StoreUnusable: too old, a standby, or another encoding than UTF-8.
        """
        major = connection.info.server_version // 10_000
        if major < OLDEST:
            raise StoreUnusable(
                f"{self.shown} is PostgreSQL {major}; Cerebelum needs {OLDEST} or newer: upgrade the server"
            )
        if connection.info.parameter_status("server_encoding") != "UTF8":
            raise StoreUnusable(f"{self.shown} is not encoded in UTF-8: make a database with ENCODING 'UTF8'")
        if connection.execute("SHOW transaction_read_only").fetchone() == ("on",):
            raise StoreUnusable(f"{self.shown} takes no writes (a standby, or set to read-only): name the primary")

    def unusable(self, error: psycopg.Error) -> StoreUnusable:
        """Why this database cannot be used, and what to do."""
        said = " ".join(str(error).split())
        if "does not exist" in said and "database" in said:
            return StoreUnusable(f"{self.shown} does not exist: create the database first (CREATE DATABASE)")
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            return StoreUnusable(
                f"{self.shown}: {said}; give the role CREATE on the database, or let its owner run "
                "`cerebelum store migrate` and grant the tables of the schema cerebelum"
            )
        if isinstance(error, psycopg.OperationalError):
            return StoreUnusable(f"cannot connect to {self.shown}: {said}")
        return StoreUnusable(f"{self.shown} cannot be used: {said}")


def _set_up(connection: psycopg.Connection) -> None:
    # A statement that was planned while its tables were empty must not read them whole when they are not.
    connection.execute("SET enable_seqscan = off")
    connection.execute("SET jit = off")  # which the price of such a plan would call in
    durable = connection.execute("SELECT current_setting('synchronous_commit')").fetchone()
    if durable == ("off",):
        connection.execute("SET synchronous_commit = on")


def postgres_address(url: str) -> PostgresAddress:
    """Read a URL `postgresql://[USER[:PASSWORD]@]HOST[:PORT]/DATABASE[?PARAMETER=VALUE]`.

    Raises:
        StoreUrlError: it is none.
    """
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        password_free = url.partition("://")[0] + "://..."
        raise StoreUrlError(f"store URL '{password_free}' is not understood: {str(error).strip()}") from None
    given = {name: str(value) for name, value in parts.items() if value is not None}
    host = given.get("host") or given.get("hostaddr") or "localhost"
    port = f":{given['port']}" if "port" in given else ""
    user = f"{given['user']}@" if "user" in given else ""
    # What is written is in UTF-8, whatever the client's encoding is elsewhere.
    conninfo = make_conninfo(**{**_DEFAULTS, **given, "client_encoding": "UTF8"})
    return PostgresAddress(conninfo, f"postgresql://{user}{host}{port}/{given.get('dbname', '')}")
