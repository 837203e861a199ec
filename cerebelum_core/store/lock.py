"""One Core a file: a lock of the operating system, which dies with its holder."""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from pathlib import Path

from cerebelum_core.errors import StoreInUse, StoreUnusable
from cerebelum_core.store.processes import has_ended, this_machine, way_out

_held: set[int] = set()
"""The descriptors of the locks of this process."""


def _drop() -> None:
    """A process that this one forked may outlive it: what it has inherited would keep the next Core out."""
    while _held:
        os.close(_held.pop())


os.register_at_fork(after_in_child=_drop)


class FileLock:
    """Holds `<file>.lock` beside the real file, whatever links lead there, until closed. It tells the next one who
    holds it, or who was the last to hold it.
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
            holder = self._read()
            os.close(self._descriptor)
            mend = way_out(is_here=holder.endswith(f", process {os.getpid()}"))
            raise StoreInUse(f"{database} is in use by {holder or 'another Core'}{mend}") from None
        self.ended_node = _ended_node(self._read())
        """Who had it before, if that process has surely ended."""
        self._holder = f"node {node_id}, process {os.getpid()}"
        try:
            self._write(self._holder)
        except OSError as error:
            os.close(self._descriptor)
            raise StoreUnusable(f"cannot write beside {database}: {error.strerror}") from None
        _held.add(self._descriptor)

    def close(self) -> None:
        """Let the next one in."""
        if self._descriptor in _held:
            with suppress(OSError):  # a disk that is full keeps nobody out
                self._write(f"{self._holder}, let go on {this_machine()}")
            _held.discard(self._descriptor)
            os.close(self._descriptor)

    def _read(self) -> str:
        return os.pread(self._descriptor, 400, 0).decode(errors="replace").strip()

    def _write(self, text: str) -> None:
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{text}\n".encode(), 0)


def _ended_node(left: str) -> str:
    told = re.fullmatch(r"node (\S+), process (\d+)(?:, let go on (.*))?", left)
    if told is None or (told[3] and not has_ended(told[3], int(told[2]))):
        return ""
    return told[1]  # whoever never let go has ended, for else the lock could not be had


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
