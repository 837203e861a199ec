"""What is stored in numbers: executions that sleep, and rows of many steps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
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


def group_of(lanes: int) -> Workflow:
    """So many steps at once, each of which waits for a moment: their results come one by one."""

    async def moment() -> int:
        await asyncio.sleep(0.002)
        return 0

    @workflow(name=f"group_of_{lanes}")
    def group(wf: WorkflowBuilder) -> None:
        wf.timeline([step(name=f"lane{number}")(moment) for number in range(lanes)])

    return group


def row_of(steps: int) -> Workflow:
    """So many steps, one after another."""

    async def nothing() -> int:
        return 0

    return _row(f"row_of_{steps}", steps, nothing)


def noting_row_of(steps: int, noted: list[int]) -> Workflow:
    """So many steps, one after another. Each notes how much CPU its process has used, in ns; it ends with the step
    whose number is its input.
    """

    async def note(inputs: int) -> int | dict[str, str]:
        noted.append(time.process_time_ns())
        return {"error": "far enough"} if len(noted) == inputs else 0

    return _row(f"noting_row_of_{steps}", steps, note)


def _row(name: str, steps: int, body: Callable[..., Awaitable[object]]) -> Workflow:
    @workflow(name=name)
    def row(wf: WorkflowBuilder) -> None:
        wf.timeline(reduce(rshift, [step(name=f"step{number}")(body) for number in range(steps)]))

    return row
