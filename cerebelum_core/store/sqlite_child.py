"""The process that writes to a SQLite file for a Core. It is told a socket's number, the file, the Core's epoch and its
version.

It ends with the Core, whose end of the socket closes then, however the Core ends. The signals that tell a Core to stop
are blocked when it is started.
"""

from __future__ import annotations

import gc
import socket
import sys
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from cerebelum_core.store.apart import serve
from cerebelum_core.store.sqlite_writer import AT_ONCE, SqliteWriter, connect


def main() -> None:
    gc.set_threshold(100_000)  # a batch is thousands of small values, none of them in a cycle
    descriptor, path, epoch, wanted = sys.argv[1:]
    if version("cerebelum") != wanted:
        sys.exit(f"the store's writer is of version {version('cerebelum')}, its Core of {wanted}: start the Core again")
    try:
        with closing(connect(Path(path), make=False)) as connection:
            serve(socket.socket(fileno=int(descriptor)), SqliteWriter(connection, int(epoch)).commit, AT_ONCE)
    except Exception as error:
        sys.exit(f"the store's writer ends: {error}")


if __name__ == "__main__":
    main()
