"""What is run: five trivial steps in a row, and one alone. The cost is the engine's."""

from __future__ import annotations

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
