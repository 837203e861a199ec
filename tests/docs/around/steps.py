"""What stands around the blocks of docs/steps.md."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from cerebelum import (
    Converter,
    ExecutionHandle,
    ProgressReporter,
    Worker,
    Workflow,
    WorkflowBuilder,
    end,
    fail,
    poll,
    retry,
    sleep,
    step,
    testing,
    wait_for_approval,
    wait_for_signal,
    workflow,
)


@dataclass
class Money:
    amount: int
    currency: str


@dataclass
class Payment:
    cents: int


@dataclass
class Data:
    rows: int


@dataclass
class Model:
    name: str


@step
async def validate(inputs: dict[str, int]) -> int:
    return inputs["amount"]


@step
async def charge(validate: int) -> Money:
    return Money(validate, "EUR")


@step
async def reserve() -> str:
    return "on the shelf"


@step
async def ship(charge: Money, reserve: str) -> str:
    return f"{reserve}, paid with {charge.amount} {charge.currency}"


refund, approve, review = reserve.named("refund"), reserve.named("approve"), reserve.named("review")
score = validate.named("score")


@workflow
def shown(wf: WorkflowBuilder) -> None:
    """A timeline."""
    # block 1


@workflow
def ruled(wf: WorkflowBuilder) -> None:
    wf.timeline(validate >> charge >> score)
    # block 2


# block 3


async def fit(data: Data) -> Model:
    return Model(f"of {data.rows} rows")


async def serve(core: str, model: Workflow) -> None:
    """A step for a queue, and its worker."""
    # block 4


@step
async def waits() -> tuple[str, int]:
    """Whoever comes first."""
    # block 5
    return decision.decided_by, payment.cents


async def ask(order: int) -> str:
    return f"order {order} is there"


@step
async def repeats() -> tuple[str, str]:
    order, charge = 7, ask
    # block 6
    return status, receipt


@workflow
def waiting(wf: WorkflowBuilder) -> None:
    wf.timeline(waits >> repeats)


# block 7


async def decide(handle: ExecutionHandle) -> None:
    """A decision that may come too late."""
    # block 8


async def main() -> object:
    async with executor("memory://") as runs:
        results = await asyncio.gather(*(runs.execute(order, {"amount": each}) for each in (7, 8)))
    assert [each.output for each in results] == [Money(7, "EUR"), Money(8, "EUR")]
    async with testing.core([order, waiting]) as core:
        assert await core.output(await core.start(order, {"amount": 7})) == Money(7, "EUR")
        handle = await core.start(waiting)
        await core.skip(timedelta(days=1))
        await decide(handle)
        await core.settle()
        await core.signal(handle, "paid", Payment(4900))
        return await core.output(handle)
