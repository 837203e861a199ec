"""kill -9 of the Core at every bad moment: the workflow completes, and no step is recorded twice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from cerebelum import DistributedExecutor
from cerebelum_proto.events.v1 import events_pb as ev
from tests.e2e.proxy import proxy_to
from tests.e2e.stage import LONGEST_S, history, recorded, stage, submit, until


async def test_killed_during_a_sleep_the_workflow_wakes_up_and_completes(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker()
        handle = await submit(client, "sleeper", order=7)
        await until(client, handle.execution_id, ev.SleepStarted)
        await on.core.kill()
        await on.core.start()
        result = await asyncio.wait_for(handle.result(), LONGEST_S)
        events = await history(client, handle.execution_id)

    assert (result.status, result.output) == ("completed", "rested for 7, 3 items")
    assert recorded(events) == {"reserve": 1, "cool_down": 1, "finish": 1}
    assert on.notes() == ["reserve", "before-sleep", "before-sleep", "after-sleep", "finish"]
    slept = {type(e.fact): e.recorded_at.to_ns() for e in events if e.recorded_at is not None}
    assert slept[ev.SleepEnded] - slept[ev.SleepStarted] >= 1.5e9


async def test_killed_while_a_step_runs_the_living_worker_hands_its_result_in_and_runs_it_once(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker()
        handle = await submit(client, "gate_keeper", order=7)
        await on.noted("gated-begins")
        await on.core.kill()
        on.open_gate()
        await on.noted("gated-ends")
        await on.core.start()
        result = await asyncio.wait_for(handle.result(), LONGEST_S)
        events = await history(client, handle.execution_id)

    assert (result.status, result.output) == ("completed", "gate passed by 7, locked")
    assert recorded(events) == {"reserve": 1, "gated": 1, "lock_up": 1}
    assert on.notes() == ["reserve", "gated-begins", "gated-ends", "lock-up"]


async def test_killed_while_it_waits_for_approval_the_approval_still_waits_and_is_answered(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker()
        handle = await submit(client, "signer", order=7)
        await until(client, handle.execution_id, ev.ApprovalRequested)
        await on.core.kill()
        await on.core.start()
        await handle.approve({"ok": True}, decided_by="Ada")
        result = await asyncio.wait_for(handle.result(), LONGEST_S)
        events = await history(client, handle.execution_id)

    assert result.output == "delivered, signed by Ada: {'ok': True}"
    assert recorded(events) == {"sign": 1, "deliver": 1}
    assert on.notes() == ["asks", "asks", "answered", "deliver"]


async def test_killed_between_signals_and_waits_each_signal_counts_once_and_in_order(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        worker = await on.start_worker()
        await worker.kill()
        handle = await submit(client, "buyer", order=7)
        assert await handle.signal("paid", 1, signal_id="one")  # before anybody waits
        await on.core.kill()
        await on.core.start()
        assert not await handle.signal("paid", 1, signal_id="one")
        await on.start_worker()
        await until(client, handle.execution_id, ev.SignalAwaited, times=2)
        await on.core.kill()
        await on.core.start()
        assert await handle.signal("paid", 2, signal_id="two")
        await on.core.kill()
        await on.core.start()
        assert not await handle.signal("paid", 2, signal_id="two")
        result = await asyncio.wait_for(handle.result(), LONGEST_S)
        events = await history(client, handle.execution_id)

    assert (result.status, result.output) == ("completed", [1, 2])
    consumed = [event.fact.signal_id for event in events if isinstance(event.fact, ev.SignalConsumed)]
    assert consumed == ["one", "two"]
    assert sum(isinstance(event.fact, ev.SignalReceived) for event in events) == 2
    assert on.notes().count("second") == 1


async def test_killed_between_a_result_and_its_acknowledgement_the_result_counts_once(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client, proxy_to(on.core.address) as proxy:
        await on.start_worker(proxy.address)
        handle = await submit(client, "gate_keeper", order=7)
        await on.noted("gated-begins")
        proxy.hold_answers()
        on.open_gate()
        await until(client, handle.execution_id, ev.StepCompleted, times=2)
        await on.core.kill()
        await proxy.drop_connections()
        await on.core.start()
        result = await asyncio.wait_for(handle.result(), LONGEST_S)
        events = await history(client, handle.execution_id)

    assert (result.status, result.output) == ("completed", "gate passed by 7, locked")
    assert recorded(events) == {"reserve": 1, "gated": 1, "lock_up": 1}
    assert on.notes() == ["reserve", "gated-begins", "gated-ends", "lock-up"]


async def test_killed_during_the_second_of_two_sleeps_the_first_is_not_slept_again(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker()
        handle = await submit(client, "double_sleeper", order=7)
        await until(client, handle.execution_id, ev.SleepStarted, times=2)
        await on.core.kill()
        await on.core.start()
        result = await asyncio.wait_for(handle.result(), LONGEST_S)
        events = await history(client, handle.execution_id)

    assert (result.status, result.output) == ("completed", "napped twice for 7")
    assert sum(isinstance(event.fact, ev.SleepStarted) for event in events) == 2
    assert recorded(events) == {"reserve": 1, "nap_twice": 1}
    words = ["nap-begins", "nap-begins", "after-first", "nap-begins", "after-first", "after-second"]
    assert on.notes() == ["reserve", *words]


async def test_killed_five_times_in_a_row_twenty_workflows_complete(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker()
        handles = [await submit(client, "sleeper", order=number) for number in range(20)]
        for _ in range(5):
            await on.core.kill()
            await on.core.start()
        results = await asyncio.wait_for(asyncio.gather(*(handle.result() for handle in handles)), LONGEST_S)
        counts = [recorded(await history(client, handle.execution_id)) for handle in handles]

    assert [result.output for result in results] == [f"rested for {number}, 3 items" for number in range(20)]
    assert all(count == {"reserve": 1, "cool_down": 1, "finish": 1} for count in counts)


async def test_killed_with_a_hundred_in_flight_no_living_worker_runs_a_step_twice(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker()
        on.open_gate()
        executor = DistributedExecutor(client)
        async with executor.stream() as stream:
            running = [asyncio.create_task(stream.execute("gate_keeper", {"order": each})) for each in range(100)]
            await on.noted("lock-up", times=20)
            await on.core.kill()
            await on.core.start()
            results = await asyncio.wait_for(asyncio.gather(*running), LONGEST_S)
        counts = [recorded(await history(client, result.execution_id)) for result in results]

    assert [result.output for result in results] == [f"gate passed by {each}, locked" for each in range(100)]
    assert all(count == {"reserve": 1, "gated": 1, "lock_up": 1} for count in counts)
    assert Counter(on.notes()) == dict.fromkeys(("reserve", "gated-begins", "gated-ends", "lock-up"), 100)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="a process's children are told by /proc")
async def test_with_its_writer_killed_again_and_again_nothing_is_lost_and_no_step_runs_twice(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker()
        on.open_gate()
        async with DistributedExecutor(client).stream() as stream:
            running = [asyncio.create_task(stream.execute("gate_keeper", {"order": each})) for each in range(100)]
            for word, times in (("reserve", 10), ("reserve", 60), ("gated-ends", 50), ("lock-up", 20), ("lock-up", 60)):
                await on.noted(word, times=times)
                for child in Path(f"/proc/{on.core.pid}/task/{on.core.pid}/children").read_text().split():
                    os.kill(int(child), signal.SIGKILL)
            results = await asyncio.wait_for(asyncio.gather(*running), LONGEST_S)
        counts = [recorded(await history(client, result.execution_id)) for result in results]

    log = (tmp_path / "core.log").read_text()
    assert "the store's writer is gone" in log
    assert "Traceback" not in log
    assert [result.output for result in results] == [f"gate passed by {each}, locked" for each in range(100)]
    assert all(count == {"reserve": 1, "gated": 1, "lock_up": 1} for count in counts)
    assert Counter(on.notes()) == dict.fromkeys(("reserve", "gated-begins", "gated-ends", "lock-up"), 100)
