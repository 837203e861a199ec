"""Workers that die, freeze and come back late, as real processes."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from cerebelum_proto.events.v1 import events_pb as ev
from tests.e2e.stage import LONGEST_S, Stage, history, recorded, stage, submit, until


async def test_a_worker_killed_mid_step_is_replaced_when_its_lease_ends(tmp_path: Path) -> None:
    async with stage(tmp_path, "--lease", "1") as on, on.client() as client:
        first = await on.start_worker()
        handle = await submit(client, "gate_keeper", order=7)
        await on.noted("gated-begins")
        second = await on.start_worker()
        dead = first.pid
        await first.kill()
        await on.noted("gated-begins", times=2)
        on.open_gate()
        result = await asyncio.wait_for(handle.result(), LONGEST_S)
        events = await history(client, handle.execution_id)
        assert on.pids("gated-begins") == [dead, second.pid]

    assert (result.status, result.output) == ("completed", "gate passed by 7, locked")
    assert recorded(events) == {"reserve": 1, "gated": 1, "lock_up": 1}
    assert [e.fact.step for e in events if isinstance(e.fact, ev.AttemptLost)] == ["gated"]


async def test_a_result_that_comes_after_its_lease_moved_on_changes_nothing_and_is_told_so(tmp_path: Path) -> None:
    async with stage(tmp_path, "--lease", "1") as on, on.client() as client:
        frozen = await on.start_worker()
        handle = await submit(client, "gate_keeper", order=7)
        await on.noted("gated-begins")
        os.kill(frozen.pid, signal.SIGSTOP)
        await until(client, handle.execution_id, ev.AttemptLost)
        on.open_gate()
        await on.start_worker()
        result = await asyncio.wait_for(handle.result(), LONGEST_S)
        before = await history(client, handle.execution_id)
        os.kill(frozen.pid, signal.SIGCONT)
        await _logged(on, "worker-0.log", "moved on")
        after = await history(client, handle.execution_id)

    assert (result.status, result.output) == ("completed", "gate passed by 7, locked")
    assert after == before
    assert recorded(after) == {"reserve": 1, "gated": 1, "lock_up": 1}


async def test_a_step_of_a_worker_that_hangs_times_out_long_before_its_lease_and_is_tried_elsewhere(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path, "--lease", "600") as on, on.client() as client:
        frozen = await on.start_worker()
        handle = await submit(client, "watcher", order=7)
        await on.noted("watch-begins")
        os.kill(frozen.pid, signal.SIGSTOP)
        events = await until(client, handle.execution_id, ev.AttemptFailed)
        on.open_gate()
        await on.start_worker()
        result = await asyncio.wait_for(handle.result(), LONGEST_S)

    (failed,) = [each.fact.failure for each in events if isinstance(each.fact, ev.AttemptFailed)]
    assert failed is not None
    assert failed.kind == "heartbeat_timeout"
    assert result.output == "watched at try 2"


async def test_a_worker_told_to_stop_finishes_its_step_and_leaves_with_code_0(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        worker = await on.start_worker()
        handle = await submit(client, "gate_keeper", order=7)
        await on.noted("gated-begins")
        os.kill(worker.pid, signal.SIGTERM)
        await _logged(on, "worker-0.log", "to finish")
        on.open_gate()
        assert await asyncio.wait_for(worker.ended(), LONGEST_S) == 0
        events = await until(client, handle.execution_id, ev.StepCompleted, times=2)
        await on.start_worker()
        result = await asyncio.wait_for(handle.result(), LONGEST_S)

    assert recorded(events) == {"reserve": 1, "gated": 1}
    assert on.notes() == ["reserve", "gated-begins", "gated-ends", "lock-up"]
    assert result.output == "gate passed by 7, locked"


async def _logged(on: Stage, name: str, words: str) -> None:
    async with asyncio.timeout(LONGEST_S):
        while words not in (on.folder / name).read_text():
            await asyncio.sleep(0.01)
