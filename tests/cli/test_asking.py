"""`run --local` asks for approvals at the terminal that it was started at."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cerebelum_cli.exits import Exit
from tests.cli.command_line import LONGEST_S

SOURCE = """
from datetime import timedelta
from cerebelum import step, wait_for_approval, workflow

@step
async def gate(inputs: int) -> object:
    decision = await wait_for_approval("manager", timeout=timedelta(milliseconds=inputs))
    return decision.decided_by

@step
async def other(inputs: int) -> object:
    return (await wait_for_approval("owner")).decided_by

@workflow
def alone(wf):
    wf.timeline(gate)

@workflow
def both(wf):
    wf.timeline([gate, other])
"""
LONG = "100000000"


class Running:
    """`run --local` at a terminal of its own."""

    def __init__(self, child: asyncio.subprocess.Process, terminal: int) -> None:
        self._child = child
        self._terminal = terminal
        self.err = ""

    async def says(self, words: str) -> None:
        while words not in self.err:
            read = await self._child.stderr.read(4096) if self._child.stderr is not None else b""
            assert read, self.err
            self.err += read.decode()

    def type(self, keys: bytes) -> None:
        os.write(self._terminal, keys)

    def interrupt(self) -> None:
        self._child.send_signal(signal.SIGINT)

    async def end(self) -> tuple[int, str]:
        out, err = await self._child.communicate()
        self.err += err.decode()
        assert "Traceback" not in self.err
        return self._child.returncode or 0, out.decode()


@asynccontextmanager
async def running(folder: Path, name: str, inputs: str) -> AsyncIterator[Running]:
    (folder / "mine.py").write_text(SOURCE)
    ours, theirs = os.openpty()
    command = (sys.executable, "-m", "cerebelum_cli", "run", f"mine:{name}", "--local", "--input", inputs)
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, cwd=folder, stdin=theirs, stdout=pipe, stderr=pipe)
    try:
        async with asyncio.timeout(LONGEST_S):
            yield Running(child, ours)
    finally:
        if child.returncode is None:
            child.kill()
            await child.communicate()
        os.close(ours)
        os.close(theirs)


async def test_what_is_no_answer_is_asked_again(tmp_path: Path) -> None:
    async with running(tmp_path, "alone", LONG) as run:
        await run.says("step gate asks for approval (manager): {}\napprove? [y/N]: ")
        run.type(b"maybe\n")
        await run.says("answer y or n\napprove? [y/N]: ")
        run.type(b"y\n")
        code, out = await run.end()
        assert (code, out.splitlines()[-1]) == (Exit.OK, '"terminal"')


async def test_a_no_comes_with_its_reason(tmp_path: Path) -> None:
    async with running(tmp_path, "alone", LONG) as run:
        await run.says("approve? [y/N]: ")
        run.type(b"n\n")
        await run.says("reason: ")
        run.type(b"too dear\n")
        code, out = await run.end()
        assert (code, "too dear" in out) == (Exit.FAILED, True)


async def test_one_interruption_ends_a_run_that_asks(tmp_path: Path) -> None:
    async with running(tmp_path, "alone", LONG) as run:
        await run.says("approve? [y/N]: ")
        run.interrupt()
        assert await run.end() == (Exit.INTERRUPTED, "")
        assert run.err.endswith("\nerror: interrupted\n")


async def test_the_end_of_the_input_is_told(tmp_path: Path) -> None:
    async with running(tmp_path, "alone", LONG) as run:
        await run.says("approve? [y/N]: ")
        run.type(b"\x04")
        assert await run.end() == (Exit.FAILED, "")
        assert run.err.endswith("\nerror: nobody decided step 'gate': the input has ended\n")


async def test_a_question_whose_time_has_run_out_holds_nothing_up(tmp_path: Path) -> None:
    async with running(tmp_path, "alone", "1") as run:
        code, out = await run.end()
        assert (code, "gate" in out) == (Exit.FAILED, True)


async def test_one_thing_is_asked_at_a_time(tmp_path: Path) -> None:
    async with running(tmp_path, "both", LONG) as run:
        await run.says("approve? [y/N]: ")
        assert "other" not in run.err
        run.type(b"y\n")
        await run.says("step other asks for approval (owner): {}\napprove? [y/N]: ")
        run.type(b"y\n")
        assert (await run.end())[0] == Exit.OK
