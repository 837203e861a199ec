"""One Core a file: a lock of the operating system, which dies with its holder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from cerebelum_core.errors import StoreInUse, StoreUnusable


class FileLock:
    """Holds `<file>.lock` until closed. It tells the next one who holds it."""

    def __init__(self, database: Path, node_id: str) -> None:
        self.path = database.with_name(database.name + ".lock")
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
