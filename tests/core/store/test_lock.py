"""Who has a SQLite file, and who had it before."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cerebelum_core.clock import SystemClock
from cerebelum_core.store import EventStore, open_store


def opened(path: Path) -> EventStore:
    return open_store(f"sqlite:///{path}", node_id="node", clock=SystemClock())


_LETS_GO = """
import asyncio, os, sys
from cerebelum_core.clock import SystemClock
from cerebelum_core.store import open_store

async def main() -> None:
    store = open_store(sys.argv[1], node_id="ended", clock=SystemClock())
    if sys.argv[2] == "lets go":
        await store.close()
    os._exit(0)

asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["lets go", "dies with it"])
async def test_who_had_the_file_before_is_told_once_its_process_has_ended(tmp_path: Path, how: str) -> None:
    path = tmp_path / "core.db"
    before = await asyncio.create_subprocess_exec(sys.executable, "-c", _LETS_GO, f"sqlite:///{path}", how)
    assert await before.wait() == 0
    store = opened(path)
    assert store.ended_node == "ended"
    await store.close()
    again = opened(path)
    assert not again.ended_node, "this process had it, and lives"
    await again.close()
    lock = path.with_name("core.db.lock")
    lock.write_text("node elsewhere, process 1, let go on another machine\n")
    last = opened(path)
    assert not last.ended_node, "who knows of the processes there"
    await last.close()


_FORKS = """
import asyncio, os, signal, sys
from cerebelum_core.clock import SystemClock
from cerebelum_core.store import open_store

async def main() -> None:
    store = open_store(sys.argv[1], node_id="parent", clock=SystemClock())
    if os.fork():
        os.kill(os.getpid(), signal.SIGKILL)
    print("orphan", flush=True)
    os.read(0, 1)
    os._exit(0)

asyncio.run(main())
"""


async def test_a_process_that_was_forked_from_one_that_died_keeps_nobody_out(tmp_path: Path) -> None:
    path = tmp_path / "core.db"
    with subprocess.Popen(
        [sys.executable, "-c", _FORKS, f"sqlite:///{path}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"orphan\n"
        assert parent.wait() == -signal.SIGKILL
        store = opened(path)
        assert store.ended_node == "parent"
        await store.close()
        parent.communicate()
