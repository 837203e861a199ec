"""The same promises on PostgreSQL, with its own ways to go wrong: backends that are killed, a server that restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from cerebelum import ExecutionHandle
from cerebelum_cli.exits import Exit
from cerebelum_client import CerebelumClient
from cerebelum_proto.events.v1 import events_pb as ev
from tests.cli.command_line import cerebelum
from tests.e2e.stage import LONGEST_S, Stage, history, recorded, stage, submit, until
from tests.postgresql import PostgresServer, run

pytestmark = pytest.mark.xdist_group("postgresql")


async def test_killed_five_times_in_a_row_twenty_workflows_complete(postgresql: PostgresServer, tmp_path: Path) -> None:
    async def trouble(on: Stage) -> None:
        for _ in range(5):
            await on.core.kill()
            await on.core.start()

    await twenty_workflows_complete(postgresql.new_database(), tmp_path, trouble)


async def test_killed_during_a_sleep_the_workflow_wakes_up_and_completes(
    postgresql: PostgresServer, tmp_path: Path
) -> None:
    async with stage(tmp_path, store=postgresql.new_database()) as on, on.client() as client:
        await on.start_worker()
        handle = await submit(client, "sleeper", order=7)
        await until(client, handle.execution_id, ev.SleepStarted)
        await on.core.kill()
        await on.core.start()
        result = await asyncio.wait_for(handle.result(), LONGEST_S)

    assert (result.status, result.output) == ("completed", "rested for 7, 3 items")
    assert on.notes() == ["reserve", "before-sleep", "before-sleep", "after-sleep", "finish"]


async def test_with_its_backends_killed_again_and_again_twenty_workflows_complete(
    postgresql: PostgresServer, tmp_path: Path
) -> None:
    url = postgresql.new_database()
    kill = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    async def trouble(on: Stage) -> None:
        for word in ("reserve", "before-sleep", "after-sleep", "finish"):
            await on.noted(word)
            await asyncio.to_thread(run, url, kill)

    await twenty_workflows_complete(url, tmp_path, trouble)


async def test_over_a_restart_of_the_server_twenty_workflows_complete(
    postgresql: PostgresServer, tmp_path: Path
) -> None:
    if not postgresql.ours:
        pytest.skip("the server is not the tests' own to stop")

    async def trouble(on: Stage) -> None:
        await on.noted("before-sleep")
        await asyncio.to_thread(postgresql.stop)
        await asyncio.to_thread(postgresql.start)

    await twenty_workflows_complete(postgresql.new_database(), tmp_path, trouble)


async def test_a_second_core_is_refused_and_one_that_lost_its_store_stops_and_says_so(
    postgresql: PostgresServer, tmp_path: Path
) -> None:
    url = postgresql.new_database()
    async with stage(tmp_path, store=url) as on:
        second = await asyncio.to_thread(cerebelum, "core", "--listen", "127.0.0.1:0", "--store", url, folder=tmp_path)
        assert second.code == Exit.UNUSABLE
        assert "the store is in use by node" in second.err
        assert on.core.process is not None
        await asyncio.to_thread(run, url, "UPDATE cerebelum.ownership SET epoch = epoch + 1")
        assert await asyncio.wait_for(on.core.process.ended(), LONGEST_S) == Exit.UNUSABLE
        assert "another Core took the store over" in on.core.process.log.read_text()


async def test_executions_that_sleep_on_sqlite_are_copied_and_wake_up_on_postgresql(
    postgresql: PostgresServer, tmp_path: Path
) -> None:
    url = postgresql.new_database()
    async with stage(tmp_path) as on, on.client() as client:
        worker = await on.start_worker()
        handles = [await submit(client, "sleeper", order=number) for number in range(5)]
        for handle in handles:
            await until(client, handle.execution_id, ev.SleepStarted)
        refused = await asyncio.to_thread(
            cerebelum, "store", "copy", f"sqlite:///{tmp_path}/core.db", url, folder=tmp_path
        )
        assert refused.code == Exit.UNUSABLE
        assert "in use by node" in refused.err
        assert await on.core.terminate() == 0
        copied = await asyncio.to_thread(
            cerebelum, "store", "copy", f"sqlite:///{tmp_path}/core.db", url, folder=tmp_path
        )
        assert copied.out.startswith("5 executions, "), copied.err
        on.core.store = url
        await on.core.start()
        assert worker.pid
        results = await asyncio.wait_for(asyncio.gather(*(handle.result() for handle in handles)), LONGEST_S)
    assert [result.output for result in results] == [f"rested for {number}, 3 items" for number in range(5)]


async def twenty_workflows_complete(url: str, folder: Path, trouble: Callable[[Stage], Awaitable[None]]) -> None:
    """Run twenty sleepers through trouble: each ends well, and each result is recorded once."""
    async with stage(folder, store=url) as on, on.client() as client:
        await on.start_worker()
        handles = [await submit(client, "sleeper", order=number) for number in range(20)]
        await trouble(on)
        results = await asyncio.wait_for(asyncio.gather(*(handle.result() for handle in handles)), LONGEST_S)
        counts = [await _recorded(client, handle) for handle in handles]

    assert [result.output for result in results] == [f"rested for {number}, 3 items" for number in range(20)]
    assert all(count == {"reserve": 1, "cool_down": 1, "finish": 1} for count in counts)


async def _recorded(client: CerebelumClient, handle: ExecutionHandle) -> dict[str, int]:
    return dict(recorded(await history(client, handle.execution_id)))
