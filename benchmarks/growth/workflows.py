"""What is stored in numbers: executions that have ended, and executions that sleep."""

from __future__ import annotations

import time
from datetime import timedelta

from cerebelum import WorkflowBuilder, sleep, step, workflow


@step
async def nap(inputs: float) -> float:
    """Sleep until an instant; how late it woke, in seconds."""
    await sleep(timedelta(seconds=max(inputs - time.time(), 0)))
    return time.time() - inputs


@workflow
def napper(wf: WorkflowBuilder) -> None:
    wf.timeline(nap)
