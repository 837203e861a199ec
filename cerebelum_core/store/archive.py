"""A file of ended executions. What was added to it is on disk, and whatever it is left with can be read."""

from __future__ import annotations

import fcntl
import logging
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

from cerebelum_codegen.runtime.errors import DecodeError
from cerebelum_codegen.runtime.wire import varint
from cerebelum_core.errors import StoreInUse, StoreUnusable
from cerebelum_proto.archive.v1.archive_pb import ArchivedExecution

_log = logging.getLogger(__name__)

_ID = b"\x0a"
"""The tag that every archived execution begins with: nobody is without an id."""
_BEHIND_ID = (b"\x12", b"\x1a")
_LONGEST_ID = 4_096


class _Torn(DecodeError):
    """The file ends in the middle of an execution."""


class Archive:
    """A file that ended executions are added to, by one at a time.

    It is read through first. What a write that was broken off has left at its end is cut off.

    Raises:
        StoreInUse: somebody else adds to it.
        StoreUnusable: it cannot be written, or is no archive.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise self._unusable(error) from None
        try:
            self._lock()
            self._length = self._read_through()
            if not self._length:
                _sync_folder(path)
        except OSError as error:
            os.close(self._descriptor)
            raise self._unusable(error) from None
        except BaseException:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def add(self, executions: Sequence[ArchivedExecution]) -> None:
        """Return when they are on disk; otherwise the file is as it was.

        Raises:
            StoreUnusable: they cannot be written.
        """
        try:
            length = self._length + sum(self._write(execution.to_bytes()) for execution in executions)
            os.fsync(self._descriptor)
        except BaseException as error:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._length)
            if isinstance(error, OSError):
                raise self._unusable(error) from None
            raise
        self._length = length

    def _write(self, data: bytes) -> int:
        data = varint(len(data)) + data
        written = 0
        while written < len(data):
            written += os.write(self._descriptor, data[written:])
        return written

    def _lock(self) -> None:
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            raise StoreUnusable(f"{self._path} is no file that can be an archive: name another one")
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreInUse(
                f"somebody else adds to the archive {self._path}: wait until they are done, or name another file"
            ) from None

    def _read_through(self) -> int:
        """How long it is."""
        whole = 0
        with open(self._descriptor, "rb", closefd=False) as file:
            try:
                for _ in _executions(file):
                    whole = file.tell()
            except DecodeError as error:
                if not isinstance(error, _Torn) or not (whole or _is_start(file)):
                    raise StoreUnusable(
                        f"{self._path} is no archive, or a damaged one ({error}): name another file"
                    ) from None
                _log.warning(
                    "the archive %s ended in the middle of an execution: its last %d bytes are cut off",
                    self._path,
                    os.fstat(self._descriptor).st_size - whole,
                )
                os.ftruncate(self._descriptor, whole)
        return whole

    def _unusable(self, error: OSError) -> StoreUnusable:
        return StoreUnusable(
            f"cannot write the archive {self._path}: {error.strerror}; what it does not hold is still in the store"
        )


def read_archive(path: Path) -> Iterator[ArchivedExecution]:
    """The executions of an archive, in the order in which they ended.

    Raises:
        DecodeError: it is none, or ends in the middle of one.
    """
    with path.open("rb") as file:
        yield from _executions(file)


def _executions(file: BufferedReader) -> Iterator[ArchivedExecution]:
    """Those in a file, which is left behind the last one, or behind the length of one that it does not hold whole."""
    size = os.fstat(file.fileno()).st_size
    while file.tell() < size:
        length = _read_length(file)
        if not length or file.peek(1)[:1] not in (_ID, b""):
            raise DecodeError("there is something else than an execution in it")
        if file.tell() + length > size:
            raise _Torn("the archive ends in the middle of an execution")
        execution = ArchivedExecution.from_bytes(file.read(length))
        if not execution.execution_id:
            raise DecodeError("there is an execution without an id in it")
        yield execution


def _read_length(file: BufferedReader) -> int:
    length = 0
    for shift in range(0, 35, 7):
        byte = file.read(1)
        if not byte:
            raise _Torn("the archive ends in the middle of an execution")
        length |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return length
    raise DecodeError("there is something else than an execution in it")


def _is_start(file: BufferedReader) -> bool:
    """Whether what follows could be the beginning of an execution: a whole id, and what comes behind it."""
    if file.read(1) != _ID:
        return False
    with suppress(DecodeError, UnicodeDecodeError):
        execution_id = file.read(min(_read_length(file), _LONGEST_ID)).decode()
        return bool(execution_id) and file.read(1) in _BEHIND_ID
    return False


def _sync_folder(path: Path) -> None:
    """A file that is new is found after a crash."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
