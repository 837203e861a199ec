"""What is stored in numbers: executions that sleep, and rows of many steps."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import reduce
from operator import rshift

from cerebelum import Workflow, WorkflowBuilder, sleep, step, workflow


@step
async def nap(inputs: float) -> float:
    """Sleep until an instant; how late it woke, in seconds."""
    await sleep(timedelta(seconds=max(inputs - time.time(), 0)))
    return time.time() - inputs


@workflow
def napper(wf: WorkflowBuilder) -> None:
    wf.timeline(nap)


def row_of(steps: int) -> Workflow:
    """So many steps, one after another."""

    async def nothing() -> int:
        return 0

    @workflow(name=f"row_of_{steps}")
    def row(wf: WorkflowBuilder) -> None:
        wf.timeline(reduce(rshift, [step(name=f"step{number}")(nothing) for number in range(steps)]))

    return row
