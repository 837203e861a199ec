"""Who reads what a command prints may leave, as `head` does when it has enough: the command ends without a word."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cerebelum_cli.exits import Exit
from cerebelum_core.store.archive import Archive
from cerebelum_proto.archive.v1.archive_pb import ArchivedExecution
from tests.cli.command_line import LONGEST_S
from tests.cli.test_bad_input import ONE
from tests.codegen.generating import PROJECT
from tests.core.store.appends import append
from tests.core.store.test_upkeep import fill
from tests.e2e.stage import stage


def unread(*arguments: str, folder: Path, errors_too: bool = False, **environment: str) -> tuple[int, bytes | None]:
    """The exit code of a program of which nobody reads what it prints, and what it says of that."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ran = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=writer if errors_too else subprocess.PIPE,
            timeout=LONGEST_S,
            check=False,
            env={**os.environ, **environment},
        )
    finally:
        os.close(writer)
    return ran.returncode, ran.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["store", "read", "--help"],
        ["doctor"],
        ["store", "read", "archive"],
        ["store", "check"],
        ["store", "copy", "sqlite:///cerebelum.db", "sqlite:///other.db"],
        ["run", "mine:mine", "--local", "--input", "1"],
        ["convert", "tests.e2e.flows:signer"],
        ["workflow", "tests.e2e.flows:signer"],
    ],
    ids=" ".join,
)
def test_a_command_that_nobody_reads_ends_without_a_word(tmp_path: Path, command: list[str]) -> None:
    asyncio.run(fill(f"sqlite:///{tmp_path}/cerebelum.db", running=1, ended=0))
    (tmp_path / "mine.py").write_text(ONE)
    with Archive(tmp_path / "archive") as archive:
        archive.add([ArchivedExecution(execution_id="x", events=list(append("x", 0, 10_000).events))])
    assert unread("cerebelum_cli", *command, folder=tmp_path, PYTHONPATH=str(PROJECT)) == (Exit.UNREAD, b"")


async def test_neither_does_one_that_asks_a_core_say_a_word(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        for command in (["list"], ["queues", "--json"]):
            ended = await asyncio.to_thread(
                unread, "cerebelum_cli", *command, folder=tmp_path, CEREBELUM_URL=on.core.address
            )
            assert ended == (Exit.UNREAD, b"")


@pytest.mark.parametrize("command", [["frobnicate"], ["store", "check"]], ids=" ".join)
def test_an_error_that_nobody_reads_ends_it_just_so(tmp_path: Path, command: list[str]) -> None:
    assert unread("cerebelum_cli", *command, folder=tmp_path, errors_too=True) == (Exit.UNREAD, None)
