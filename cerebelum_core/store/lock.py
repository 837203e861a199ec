"""One Core a file: a lock of the operating system, which dies with its holder."""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path

from cerebelum_core.errors import StoreInUse, StoreUnusable


class FileLock:
    """Holds `<file>.lock` until closed. It tells the next one who holds it, or held it when its process ended."""

    def __init__(self, database: Path, node_id: str) -> None:
        self.path = database.with_name(database.name + ".lock")
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreUnusable(f"cannot write beside {database}: {error.strerror}") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = self._read()
            os.close(self._descriptor)
            raise StoreInUse(
                f"{database} is in use by {holder or 'another Core'}: stop that one, or give this one another store"
            ) from None
        ended = re.match(r"node (\S+),", self._read())
        self.ended_node = ended[1] if ended else ""
        """Who had it and never let go of it: its process has ended, for else the lock could not be had."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"node {node_id}, process {os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Let the next one in."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def _read(self) -> str:
        return os.pread(self._descriptor, 200, 0).decode(errors="replace").strip()
