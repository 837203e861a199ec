"""An unmodified `cerebelum-sdk` 0.3.1 against our Core: a three-step workflow with a sleep and an approval."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cerebelum_client import CerebelumClient, from_payload, to_payload
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.worker.worker_service_pb import ExecutionState
from tests.e2e.stage import LONGEST_S, Stage, history, recorded, stage, until

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("DEPLOYED_CLIENT_PYTHON", ROOT / ".cache/deployed-client/bin/python"))

pytestmark = pytest.mark.skipif(
    not PYTHON.exists() and not os.environ.get("CI"),
    reason="the deployed client is not installed; `make test` installs it",
)


@asynccontextmanager
async def deployed_worker(on: Stage) -> AsyncIterator[None]:
    """The deployed SDK in its own environment; it starts an execution and works for it."""
    with (on.folder / "deployed.log").open("ab") as log:
        child = await asyncio.create_subprocess_exec(
            str(PYTHON),
            str(Path(__file__).with_name("deployed_worker.py")),
            on.core.address,
            stdout=log,
            stderr=log,
            cwd=on.folder,
            env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        )
    try:
        yield
    finally:
        child.kill()
        await child.wait()


async def _its_execution(client: CerebelumClient, on: Stage) -> str:
    async with asyncio.timeout(LONGEST_S):
        while not (found := (await client.executions.list()).executions):
            assert "Traceback" not in (on.folder / "deployed.log").read_text()
            await asyncio.sleep(0.02)
    return found[0].execution_id


async def test_it_runs_a_workflow_with_a_sleep_and_an_approval_to_completion(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client, deployed_worker(on):
        execution_id = await _its_execution(client, on)
        await until(client, execution_id, ev.ApprovalRequested)
        waiting = await client.executions.status(execution_id)
        await client.approvals.approve(execution_id, response=to_payload({"answer": "yes", "by": 5}), decided_by="Ada")
        await until(client, execution_id, ev.ExecutionCompleted)
        status = await client.executions.status(execution_id)
        events = await history(client, execution_id)

    assert waiting.status is ExecutionState.EXECUTION_WAITING_FOR_APPROVAL
    assert status.status is ExecutionState.EXECUTION_COMPLETED
    assert status.current_step_index == status.total_steps == 3
    assert {name: from_payload(output) for name, output in status.outputs.items()} == {
        "prepare": {"order": 7, "note": "prepared"},
        "cool_down": {"slept_for": 7},
        "confirm": {"confirmed": "yes"},
    }
    assert recorded(events) == {"prepare": 1, "cool_down": 1, "confirm": 1}


async def test_it_survives_a_kill_of_the_core_while_the_workflow_sleeps_or_waits(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client, deployed_worker(on):
        execution_id = await _its_execution(client, on)
        await until(client, execution_id, ev.SleepStarted)
        await on.core.kill()
        await on.core.start()
        await until(client, execution_id, ev.ApprovalRequested)
        await client.approvals.approve(execution_id, response=to_payload({"answer": "yes"}), decided_by="Ada")
        events = await until(client, execution_id, ev.ExecutionCompleted)

    assert recorded(events) == {"prepare": 1, "cool_down": 1, "confirm": 1}
