"""An archive: whatever it is left with, what is added to it can be read."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from cerebelum_codegen.runtime.errors import DecodeError
from cerebelum_core.errors import StoreInUse, StoreUnusable
from cerebelum_core.store.archive import Archive, read_archive
from cerebelum_proto.archive.v1.archive_pb import ArchivedExecution
from cerebelum_proto.worker.worker_service_pb import Blueprint
from tests.core.store.appends import append


def execution(execution_id: str) -> ArchivedExecution:
    return ArchivedExecution(
        execution_id=execution_id,
        blueprint=Blueprint(workflow_module="order"),
        events=list(append(execution_id, 0, 30).events),
    )


def filled(path: Path, *ids: str) -> bytes:
    with Archive(path) as archive:
        archive.add([execution(each) for each in ids])
    return path.read_bytes()


def test_what_a_broken_off_write_has_left_is_cut_off_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "archive"
    one = len(filled(path, "a"))
    both = filled(path, "b")
    for left in (one + 1, one + 2, one + 9, len(both) - 1):
        path.write_bytes(both[:left])
        with pytest.raises(DecodeError, match="ends in the middle"):
            list(read_archive(path))
        with caplog.at_level(logging.WARNING):
            filled(path, "c", "d")
        assert list(read_archive(path)) == [execution("a"), execution("c"), execution("d")]
        assert f"its last {left - one} bytes are cut off" in caplog.text


def test_the_beginning_of_a_first_execution_is_cut_off_too(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(filled(path, "ä" * 100)[:300])
    filled(path, "b")
    assert list(read_archive(path)) == [execution("b")]


@pytest.mark.parametrize(
    "content",
    [
        b"id,name\n1,Ada\n2,Grace\n",
        b"a\n1\n2\n3\n",
        b"-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUJ0v\n-----END CERTIFICATE-----\n",
        b"SQLite format 3\0" + bytes(8_176),
        bytes(100),
        b"\xff" * 100,
        b"\n",
        b"\x03\n\x01",
        b"\x02\x1a\x00",
    ],
)
def test_a_file_that_is_no_archive_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(StoreUnusable, match="is no archive, or a damaged one"):
        Archive(path)
    assert path.read_bytes() == content
    with pytest.raises(DecodeError):
        list(read_archive(path))


def test_an_archive_with_something_else_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    torn = filled(path, "a")[:-10]
    path.unlink()
    damaged = torn + filled(path, *"bcd")
    for content in (damaged, filled(tmp_path / "other", "a") + b"hello"):
        path.write_bytes(content)
        with pytest.raises(StoreUnusable, match="damaged"):
            Archive(path)
        assert path.read_bytes() == content


def test_nobody_else_adds_to_it_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    with Archive(path), pytest.raises(StoreInUse, match="somebody else adds to the archive"):
        Archive(path)
    assert filled(path, "a")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="no file that can be an archive"):
        Archive(Path("/dev/null"))
    with pytest.raises(StoreUnusable, match="cannot write the archive"):
        Archive(tmp_path)
