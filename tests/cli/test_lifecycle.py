"""Operators steer executions of a real Core and a real worker from the command line."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from cerebelum_cli.exits import Exit
from cerebelum_proto.events.v1 import events_pb as ev
from tests.cli.command_line import Ran, cerebelum
from tests.e2e.stage import Stage, history, stage, submit, until


async def command(on: Stage, *arguments: str) -> Ran:
    return await asyncio.to_thread(cerebelum, *arguments, folder=on.folder, CEREBELUM_URL=on.core.address)


async def test_a_paused_execution_finishes_what_runs_and_waits_for_its_resume(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker()
        handle = await submit(client, "gate_keeper", order=1)
        await on.noted("gated-begins")
        paused = await command(on, "pause", handle.execution_id, "--reason", "incident", "--by", "ada")
        assert paused.out == f"paused {handle.execution_id}\n"
        on.open_gate()
        await until(client, handle.execution_id, ev.StepCompleted, times=2)
        listed = json.loads((await command(on, "list", "--status", "paused", "--json")).out)
        assert [each["execution_id"] for each in listed["executions"]] == [handle.execution_id]
        assert "lock-up" not in on.notes()
        resumed = await command(on, "resume", handle.execution_id, "--by", "ada", "--json")
        assert json.loads(resumed.out)["done"] == "resumed"
        assert (await handle.result()).status == "completed"
        again = await command(on, "resume", handle.execution_id)
        assert again.code == Exit.REFUSED
        assert "paused by ada (incident)" in (await command(on, "history", handle.execution_id)).out


@pytest.mark.parametrize(("workflow", "begun"), [("tidier", "tidy-begins"), ("grinder", "grind-begins")])
async def test_a_cancellation_reaches_the_running_step_and_its_cleanup_is_recorded(
    tmp_path: Path, workflow: str, begun: str
) -> None:
    async with stage(tmp_path, "--lease", "6") as on, on.client() as client:
        await on.start_worker()
        handle = await submit(client, workflow, order=1)
        await on.noted(begun)
        assert (await command(on, "cancel", handle.execution_id)).out == f"cancelling {handle.execution_id}\n"
        assert (await handle.result()).status == "cancelled"
        facts = [event.fact for event in await history(client, handle.execution_id)]
        assert [type(fact).__name__ for fact in facts] == [
            "ExecutionStarted",
            "CancellationRequested",
            "StepCancelled",
            "ExecutionCancelled",
        ]
        stopped = facts[2]
        assert isinstance(stopped, ev.StepCancelled)
        assert stopped.failure is None
        assert ("tidied" in on.notes()) is (workflow == "tidier")


async def test_terminate_waits_for_nobody(tmp_path: Path) -> None:
    async with stage(tmp_path, "--lease", "6") as on, on.client() as client:
        await on.start_worker()
        handle = await submit(client, "tidier", order=1)
        await on.noted("tidy-begins")
        assert (await command(on, "terminate", handle.execution_id)).code == Exit.OK
        assert [type(e.fact).__name__ for e in await history(client, handle.execution_id)] == [
            "ExecutionStarted",
            "ExecutionCancelled",
        ]


async def test_a_failed_execution_is_retried_or_forked_once_its_cause_is_gone(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker()
        handle = await submit(client, "gate_crasher", order=7)
        assert (await handle.result()).status == "failed"
        on.open_gate()
        forked = json.loads((await command(on, "fork", handle.execution_id, "--execution-id", "twin", "--json")).out)
        assert forked == {"execution_id": "twin", "created": True, "origin": handle.execution_id}
        ran = await command(on, "run", "gate_crasher", "--input", '{"order": 7}', "--execution-id", "twin", "--json")
        assert json.loads(ran.out)["output"] == "through, with 7"
        retried = await command(on, "retry", handle.execution_id)
        assert retried.out == f"retried {handle.execution_id} (steps: needs_gate)\n"
        assert (await handle.result()).unwrap() == "through, with 7"
        assert on.notes().count("reserve") == 1
        again = await command(on, "retry", handle.execution_id)
        assert again.code == Exit.REFUSED
        assert "only failed ones retry" in again.err


async def test_what_cannot_be_redriven_or_migrated_is_refused_with_reasons(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker()
        handle = await submit(client, "gate_keeper", order=1)
        await on.noted("gated-begins")
        for arguments, code, words in [
            (["redrive", handle.execution_id], Exit.REFUSED, "there is nothing to redrive"),
            (["migrate", handle.execution_id, "--to", "0" * 64], Exit.NOT_FOUND, "no blueprint with hash"),
            (["pause", "nobody"], Exit.NOT_FOUND, "there is no execution 'nobody'"),
            (["fork", handle.execution_id], Exit.USAGE, "no step failed in execution"),
            (["fork", handle.execution_id, "--step", "lock_up"], Exit.USAGE, "'lock_up' has not begun"),
            (["list", "--dead", "--status", "failed"], Exit.USAGE, "exclude each other"),
        ]:
            ran = await command(on, *arguments)
            assert (ran.code, ran.out) == (code, ""), arguments
            assert words in ran.err
        assert (await command(on, "list", "--dead")).out == "no executions\n"
        on.open_gate()
        assert (await handle.result()).status == "completed"


async def test_why_tells_what_an_execution_waits_for_or_who_has_it(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:

        async def why(execution_id: str) -> list[dict[str, str]]:
            ran = await command(on, "why", execution_id, "--json")
            assert ran.code == Exit.OK, ran.err
            told: list[dict[str, str]] = json.loads(ran.out)["explanations"]
            return told

        worker = await on.start_worker()
        gated = await submit(client, "gate_keeper", order=1)
        asks = await submit(client, "signer", order=2, timeout_ms=3_600_000)
        sleeps = await submit(client, "day_sleeper", order=3)
        await on.noted("gated-begins")
        await until(client, asks.execution_id, ev.ApprovalRequested)
        await until(client, sleeps.execution_id, ev.SleepStarted)
        (running,) = await why(gated.execution_id)
        assert (running["standing"], running["step"], bool(running["worker"])) == ("running", "gated", True)
        (approval,) = await why(asks.execution_id)
        assert (approval["standing"], bool(approval["until"])) == ("awaiting_approval", True)
        (sleep,) = await why(sleeps.execution_id)
        assert (sleep["standing"], bool(sleep["until"])) == ("sleeping", True)
        await command(on, "pause", sleeps.execution_id, "--by", "ada")
        assert [each["standing"] for each in await why(sleeps.execution_id)] == ["paused", "sleeping"]

        on.open_gate()
        await worker.terminate()
        waiting = await submit(client, "gate_keeper", order=4)
        (nobody,) = await why(waiting.execution_id)
        assert nobody["standing"] == "no_worker"
        assert "of workflow 'gate_keeper': start one that has it" in nobody["message"]
        status = await command(on, "status", waiting.execution_id)
        assert "reserve: no worker has blueprint" in status.out
        assert (await command(on, "why", "nobody")).code == Exit.NOT_FOUND
