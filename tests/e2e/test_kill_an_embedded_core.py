"""kill -9 of a process that is Core and worker in one: its steps go on at once, for nobody is left who has them."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from cerebelum_core.clock import SystemClock
from cerebelum_core.store import open_store
from cerebelum_proto.events.v1.events_pb import AttemptLost
from tests.e2e.stage import LONGEST_S
from tests.postgresql import PostgresServer

_PROGRAM = """
import asyncio, sys
from tests.e2e.flows import gate_keeper

result = asyncio.run(gate_keeper.execute({"order": 7}, store=sys.argv[1], execution_id="gate-7"))
print(result.unwrap())
"""
_LEASE_S = 30.0


async def _started(store: str, folder: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _PROGRAM, store),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "E2E_NOTES": str(folder / "notes"), "E2E_GATE": str(folder / "gate")},
    )


async def _goes_on_at_once(store: str, folder: Path) -> None:
    notes = folder / "notes"
    killed = await _started(store, folder)
    async with asyncio.timeout(LONGEST_S):
        while not notes.exists() or "gated-begins" not in notes.read_text():
            await asyncio.sleep(0.01)
    killed.kill()
    await killed.wait()
    (folder / "gate").touch()
    again = await _started(store, folder)
    try:
        async with asyncio.timeout(_LEASE_S * 0.8):
            output, _ = await again.communicate()
    finally:
        if again.returncode is None:
            again.kill()
            await again.wait()
    assert output.decode() == "gate passed by 7, locked\n"
    words = [line.split()[0] for line in notes.read_text().splitlines()]
    assert words == ["reserve", "gated-begins", "gated-begins", "gated-ends", "lock-up"]
    kept = open_store(store, node_id="reader", clock=SystemClock())
    events = await kept.read("gate-7")
    await kept.close()
    assert [event.fact.step for event in events if isinstance(event.fact, AttemptLost)] == ["gated"]


async def test_on_sqlite(tmp_path: Path) -> None:
    await _goes_on_at_once(f"sqlite:///{tmp_path}/orders.db", tmp_path)


@pytest.mark.xdist_group("postgresql")
async def test_on_postgresql(postgresql: PostgresServer, tmp_path: Path) -> None:
    await _goes_on_at_once(postgresql.new_database(), tmp_path)
