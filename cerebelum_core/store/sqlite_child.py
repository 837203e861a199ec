"""The process that writes to a SQLite file for a Core: `python -m cerebelum_core.store.sqlite_child FD FILE EPOCH`.

It ends with the Core, whose end of the socket closes then, however the Core ends. Until then it does not mind the
signals that tell a Core to stop: what is being recorded is still to be written.
"""

from __future__ import annotations

import gc
import signal
import socket
import sys
from contextlib import closing
from pathlib import Path

import apsw

from cerebelum_core.store.apart import serve
from cerebelum_core.store.sqlite_writer import AT_ONCE, SqliteWriter, connect


def main() -> None:
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    gc.set_threshold(100_000)  # a batch is thousands of small values, none of them in a cycle
    descriptor, path, epoch = sys.argv[1:]
    try:
        with closing(connect(Path(path))) as connection:
            serve(socket.socket(fileno=int(descriptor)), SqliteWriter(connection, int(epoch)).commit, AT_ONCE)
    except (apsw.Error, OSError) as error:
        sys.exit(f"the store's writer ends: {error}")


if __name__ == "__main__":
    main()
