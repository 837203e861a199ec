"""What stands around the blocks of docs/testing.md."""

from __future__ import annotations

from datetime import timedelta

from cerebelum import WorkflowBuilder, sleep, step, wait_for_approval, workflow


@step
async def charge(reserve: dict[str, int]) -> int:
    return 700 * reserve["order"]


@step
async def reserve(inputs: dict[str, int]) -> dict[str, int]:
    await sleep(timedelta(days=3))
    return {"order": inputs["id"]}


@step
async def ship(charge: int) -> str:
    decision = await wait_for_approval("ship")
    assert decision.decided_by == "Ada"
    return "shipped"


@workflow
def order(wf: WorkflowBuilder) -> None:
    wf.timeline(reserve >> charge >> ship)


# block 2


async def main() -> None:
    # block 1
    await test_an_order_waits_three_days_and_for_a_signature()
