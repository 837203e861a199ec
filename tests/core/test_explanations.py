"""What a Core tells of an execution that waits: how to let it go on, as it can be typed."""

from __future__ import annotations

import asyncio

import pytest

from cerebelum import DistributedExecutor, Worker, WorkflowBuilder, step, wait_for_approval, workflow
from cerebelum.embedded import embedded_core
from cerebelum_proto.events.v1 import events_pb as ev


@step
async def read(inputs: int) -> None:
    await wait_for_approval("reader")


@step
async def sign(inputs: int) -> None:
    await wait_for_approval("owner")


@workflow
def both(wf: WorkflowBuilder) -> None:
    wf.timeline([read, sign])


@pytest.mark.parametrize(
    ("execution_id", "command"),
    [
        ("order 7; rm -r ~", "cerebelum resume 'order 7; rm -r ~'"),
        ("it's", """cerebelum resume 'it'"'"'s'"""),
        ("-7", "cerebelum resume -- -7"),
    ],
)
async def test_what_can_be_typed_can_be_copied_into_a_shell_whatever_the_id(execution_id: str, command: str) -> None:
    async with embedded_core("memory://") as core:
        await DistributedExecutor(core).submit(both, 1, execution_id=execution_id)
        await core.lifecycle.pause(execution_id)
        told = [each.message for each in await core.lifecycle.explain(execution_id)]
        assert told[0] == f"it was paused: {command}"


async def test_each_question_is_told_with_its_own_task() -> None:
    async with embedded_core("memory://") as core:
        worker = Worker(core, workflows=[both])
        working = asyncio.create_task(worker.run())
        await DistributedExecutor(core).submit(both, 1, execution_id="x")
        asked = 0
        async for event in core.executions.history("x", follow=True):
            asked += isinstance(event.fact, ev.ApprovalRequested)
            if asked == 2:
                break
        told = [each.message for each in await core.lifecycle.explain("x")]
        assert [message.rpartition("; ")[2] for message in told] == [
            "cerebelum approve x --task x/read/1.1.0",
            "cerebelum approve x --task x/sign/1.1.0",
        ]
        assert await core.approvals.approve("x", task_id="x/sign/1.1.0") == "sign"
        worker.stop()
        await core.lifecycle.terminate("x")
        await working
