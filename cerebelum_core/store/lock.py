"""One Core a file: a lock of the operating system, which dies with its holder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from cerebelum_core.errors import StoreInUse, StoreUnusable


class FileLock:
    """Holds `<file>.lock` beside the real file, whatever links lead there, until closed. It tells the next one who
    holds it.
    """

    def __init__(self, database: Path, node_id: str) -> None:
        self.path = Path(os.path.realpath(database) + ".lock")
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreUnusable(f"cannot write beside {database}: {error.strerror}") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._descriptor, 200).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise StoreInUse(
                f"{database} is in use by {holder or 'another Core'}: stop that one, or give this one another store"
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"node {node_id}, process {os.getpid()}\n".encode())

    def close(self) -> None:
        """Let the next one in."""
        os.close(self._descriptor)


def require_one_name(database: Path) -> None:
    """Refuse a file that has several names: what SQLite writes lies beside that by which it was opened, at first, and
    whoever comes by another one does not see it, and damages the file.

    Raises:
        StoreUnusable: it has hard links.
    """
    names = os.stat(database).st_nlink
    if names > 1:
        raise StoreUnusable(
            f"{database} has {names} names (hard links), and what is written under one cannot be seen under another: "
            "stop whoever uses it, and remove all but one: that with a file -wal beside it, if there is any"
        )
