"""Plain functions as steps: each runs in a thread of its worker's own, and none holds up the end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from contextvars import ContextVar

import pytest

from cerebelum import DistributedExecutor, Worker, WorkflowBuilder, step, workflow
from cerebelum.embedded import embedded_core
from cerebelum.threads import Threads

MEETING = 40
together = threading.Barrier(MEETING)
where: ContextVar[str] = ContextVar("where")


@step
def meet() -> str:
    together.wait(timeout=60)
    return threading.current_thread().name


@workflow
def meeting(wf: WorkflowBuilder) -> None:
    wf.timeline(meet)


@workflow
def crowd(wf: WorkflowBuilder) -> None:
    wf.timeline([meet.named(f"meet_{number}") for number in range(MEETING)])


@step
def leave() -> None:
    sys.exit(3)


@step
async def leave_at_once() -> None:
    sys.exit("enough")


@workflow
def leaving(wf: WorkflowBuilder) -> None:
    wf.timeline([leave, leave_at_once])


async def test_as_many_plain_functions_run_at_once_as_the_worker_is_told() -> None:
    async with embedded_core("memory://") as core:
        worker = Worker(core, workflows=[meeting], concurrency=MEETING)
        working = asyncio.create_task(worker.run())
        executor = DistributedExecutor(core)
        results = await asyncio.gather(*(executor.execute(meeting) for _ in range(MEETING)))
        assert len({each.unwrap() for each in results}) == MEETING
        worker.stop()
        await working


async def test_as_many_run_at_once_in_a_local_run_as_its_groups_hold() -> None:
    assert (await crowd.execute()).status == "completed"


async def test_a_thread_that_is_free_takes_the_next_call_with_its_caller_s_context() -> None:
    threads = Threads()
    where.set("here")
    names = {await threads.run(lambda: f"{threading.current_thread().name} {where.get()}") for _ in range(5)}
    assert names == {"step-1 here"}
    with pytest.raises(RuntimeError, match="StopIteration"):
        await threads.run(lambda: next(iter(())))
    threads.close()


async def test_a_step_that_exits_has_failed_and_nobody_else_ends() -> None:
    result = await leaving.execute()
    assert result.error is not None
    assert (result.error.kind, result.error.message, result.error.step) == ("SystemExit", "3", "leave")


NEVER_ENDS = """
import asyncio, threading
from datetime import timedelta
from cerebelum import step, workflow

@step(timeout=timedelta(milliseconds=50))
def hangs():
    threading.Event().wait()

@workflow
def flow(wf):
    wf.timeline(hangs)

print(asyncio.run(flow.execute()).error.kind)
"""


def test_a_step_that_never_ends_does_not_keep_its_process_from_ending() -> None:
    ended = subprocess.run([sys.executable, "-c", NEVER_ENDS], capture_output=True, text=True, timeout=60, check=True)
    assert (ended.stdout, ended.stderr) == ("timeout\n", "")
