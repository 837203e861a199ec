"""What is run: five trivial steps in a row, one alone, steps that take their time, and steps with much to carry."""

from __future__ import annotations

import asyncio
import random

from cerebelum import WorkflowBuilder, step, workflow


@step
async def first(inputs: int) -> int:
    return inputs + 1


@step
async def second(first: int) -> int:
    return first + 1


@step
async def third(second: int) -> int:
    return second + 1


@step
async def fourth(third: int) -> int:
    return third + 1


@step
async def fifth(fourth: int) -> int:
    return fourth + 1


@workflow
def five(wf: WorkflowBuilder) -> None:
    wf.timeline(first >> second >> third >> fourth >> fifth)


@workflow
def one(wf: WorkflowBuilder) -> None:
    wf.timeline(first)


async def _a_while() -> None:
    await asyncio.sleep(random.random() / 100)  # 0 to 10 ms: executions fall out of step with each other


@step
async def slow_first(inputs: int) -> int:
    await _a_while()
    return inputs + 1


@step
async def slow_second(slow_first: int) -> int:
    await _a_while()
    return slow_first + 1


@step
async def slow_third(slow_second: int) -> int:
    await _a_while()
    return slow_second + 1


@step
async def slow_fourth(slow_third: int) -> int:
    await _a_while()
    return slow_third + 1


@step
async def slow_fifth(slow_fourth: int) -> int:
    await _a_while()
    return slow_fourth + 1


@workflow
def slow_five(wf: WorkflowBuilder) -> None:
    wf.timeline(slow_first >> slow_second >> slow_third >> slow_fourth >> slow_fifth)


@step
async def large_first(inputs: str) -> str:
    return inputs


@step
async def large_second(large_first: str) -> str:
    return large_first


@step
async def large_third(large_second: str) -> str:
    return large_second


@step
async def large_fourth(large_third: str) -> str:
    return large_third


@step
async def large_fifth(large_fourth: str) -> str:
    return large_fourth


@workflow
def large_five(wf: WorkflowBuilder) -> None:
    wf.timeline(large_first >> large_second >> large_third >> large_fourth >> large_fifth)
