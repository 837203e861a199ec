"""A worker at the command line: it says what it lacks."""

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
from tests.codegen.generating import PROJECT
from tests.e2e.stage import stage, submit


@asynccontextmanager
async def worker(folder: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cerebelum_cli", "worker", *arguments),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "E2E_NOTES": str(folder / "notes"), "E2E_GATE": "gate"},
    )
    try:
        async with asyncio.timeout(LONGEST_S):
            yield child
    finally:
        if child.returncode is None:
            child.kill()
            await child.communicate()


async def said(stream: asyncio.StreamReader | None, words: str) -> str:
    """The line in which it says these words."""
    while stream is not None and (line := (await stream.readline()).decode()):
        if words in line:
            return line
    raise AssertionError(f"it never said {words!r}")


async def test_a_worker_without_a_core_warns_and_says_how_to_start_one(tmp_path: Path) -> None:
    async with worker(tmp_path, "tests.e2e.flows", "--core", "127.0.0.1:1") as child:
        line = await said(child.stderr, "no Core answers at 127.0.0.1:1")
        assert "WARNING" in line
        assert "start one with `cerebelum core`, or set CEREBELUM_URL" in line
        child.send_signal(signal.SIGTERM)
        assert await child.wait() == Exit.OK


async def test_a_worker_that_is_stopped_again_leaves_its_steps_to_others(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        async with worker(tmp_path, "tests.e2e.flows", "--core", on.core.address) as child:
            await said(child.stdout, "polling")
            await submit(client, "gate_keeper", order=1)
            await on.noted("gated-begins")
            child.send_signal(signal.SIGINT)
            await said(child.stderr, "1 step is running, with 30 s to finish; stopped again (Ctrl-C)")
            child.send_signal(signal.SIGINT)
            await said(child.stderr, "1 step is not finished and left to others")
            assert await child.wait() == Exit.OK
        await on.start_worker()
        await on.noted("gated-begins", 2)
