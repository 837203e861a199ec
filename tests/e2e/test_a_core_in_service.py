"""A Core as operators know it: it drains, decides what people decided, and forgets sleepers until they are due."""

from __future__ import annotations

import asyncio
from pathlib import Path

from cerebelum import DistributedExecutor
from cerebelum_client import CerebelumClient, execute_request, to_payload
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.worker.worker_service_pb import ExecutionState, ListExecutionsRequest
from tests.e2e.flows import day_sleeper
from tests.e2e.stage import LONGEST_S, history, recorded, stage, submit, until

SLEEPERS = 10_000
ROOM_KB = 30 * 1024


async def test_a_core_told_to_stop_loses_nothing_and_exits_with_code_0(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker()
        handles = [await submit(client, "sleeper", order=number) for number in range(30)]
        assert await on.core.terminate() == 0
        await on.core.start()
        results = await asyncio.wait_for(asyncio.gather(*(handle.result() for handle in handles)), LONGEST_S)
        counts = [recorded(await history(client, handle.execution_id)) for handle in handles]

    assert [result.status for result in results] == ["completed"] * 30
    assert all(count == {"reserve": 1, "cool_down": 1, "finish": 1} for count in counts)


async def test_whoever_follows_a_history_is_told_all_of_it_also_when_the_core_is_stopped_meanwhile(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker()
        handle = await submit(client, "signer", order=7)
        seen: list[ev.Event] = []
        async with asyncio.timeout(LONGEST_S):
            async for event in client.executions.history(handle.execution_id, follow=True):
                seen.append(event)
                if isinstance(event.fact, ev.ApprovalRequested):
                    assert await on.core.terminate() == 0
                    await on.core.start()
                    await handle.approve({"by": "Ada"})
        told = await history(client, handle.execution_id)

    assert seen == told
    assert isinstance(seen[-1].fact, ev.ExecutionCompleted)


async def test_a_rejection_reaches_the_step_as_a_typed_exception(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker()
        handle = await submit(client, "signer", order=7)
        await until(client, handle.execution_id, ev.ApprovalRequested)
        await handle.reject("too dear", decided_by="Ada")
        result = await asyncio.wait_for(handle.result(), LONGEST_S)

    assert result.output == "delivered, rejected by Ada: too dear"


async def test_an_approval_that_nobody_gives_reaches_the_step_as_a_timeout(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker()
        handle = await submit(client, "signer", order=7, timeout_ms=100)
        result = await asyncio.wait_for(handle.result(), LONGEST_S)

    assert result.output == "delivered, timed out"


async def test_ten_thousand_sleepers_cost_the_core_no_memory(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker()
        # The first ones warm up what every process needs once: pages of the store, caches, code.
        await _put_to_sleep(client, 0, 200)
        started_kb = _resident_kb(on.core.pid)
        await _put_to_sleep(client, 200, 200 + SLEEPERS)
        grown_kb = _resident_kb(on.core.pid) - started_kb

    assert grown_kb < ROOM_KB, f"{SLEEPERS} sleepers cost {grown_kb} KB"


async def _put_to_sleep(client: CerebelumClient, first: int, end: int) -> None:
    """Start executions, and return when all of them sleep."""
    executor, room = DistributedExecutor(client), asyncio.Semaphore(64)
    await executor.submit(day_sleeper, {"order": first}, execution_id=f"sleeper-{first}")

    async def start(number: int) -> None:
        async with room:
            await client.executions.start(
                execute_request("day_sleeper", to_payload({"order": number}), execution_id=f"sleeper-{number}")
            )

    async with asyncio.TaskGroup() as group:
        for number in range(first + 1, end):
            group.create_task(start(number))
    asleep = ListExecutionsRequest(status=ExecutionState.EXECUTION_SLEEPING, limit=1)
    while (await client.executions.list(asleep)).total_count < end:
        await asyncio.sleep(0.05)


def _resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
