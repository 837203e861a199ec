"""Queues between real processes: each step runs where it is served, and what nobody serves says so."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from cerebelum import DistributedExecutor
from cerebelum_proto.events.v1 import events_pb as ev
from tests.cli.command_line import Ran, cerebelum
from tests.e2e.flows import queued
from tests.e2e.stage import LONGEST_S, Stage, history, stage, submit, until


async def command(on: Stage, *arguments: str) -> Ran:
    return await asyncio.to_thread(cerebelum, *arguments, folder=on.folder, CEREBELUM_URL=on.core.address)


async def test_each_step_runs_on_a_worker_of_its_queue_also_after_the_core_was_killed(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker()
        handle = await submit(client, "queued", order=1)
        await until(client, handle.execution_id, ev.StepCompleted)
        (told,) = await handle.why()
        assert (told.step, told.standing, told.queue) == ("press", "no_worker", "heavy")
        status = await command(on, "status", handle.execution_id)
        assert "press: no worker with its code serves queue 'heavy'; 1 worker with it serves 'default'" in status.out
        listed = json.loads((await command(on, "queues", "--json")).out)["queues"]
        assert [(each["queue"], each["waiting"], each["unserved"]) for each in listed] == [
            ("default", 0, 0),
            ("heavy", 1, 1),
        ]
        assert "heavy    1        1         none" in (await command(on, "queues")).out
        await on.core.kill()
        await on.core.start()
        await on.start_worker(queues=["heavy"])
        result = await asyncio.wait_for(handle.result(), LONGEST_S)
        assert result.output == "pressed 1"
        ran = {
            e.fact.step: e.fact.worker_id
            for e in await history(client, handle.execution_id)
            if isinstance(e.fact, ev.StepCompleted)
        }
        assert len(set(ran.values())) == 2

        await on.start_worker(queues=["canary"])
        sent = await DistributedExecutor(client).submit(queued, {"order": 2}, queue="canary")
        assert (await asyncio.wait_for(sent.result(), LONGEST_S)).output == "pressed 2"
        pids = {*on.pids("fold"), *on.pids("press")}
        assert pids == {worker.pid for worker in on.workers}
        refused = await command(on, "run", "queued", "--input", '{"order": 3}', "--queue", "two words")
        assert "queue 'two words' is no name" in refused.err
