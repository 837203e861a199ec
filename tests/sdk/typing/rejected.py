"""Each line that ends in the word must be an error of `mypy --strict`, and no other line."""

from __future__ import annotations

from cerebelum import (
    Context,
    DistributedExecutor,
    PendingApproval,
    Retry,
    Worker,
    WorkflowBuilder,
    sleep,
    step,
    wait_for_approval,
    wait_for_signal,
    workflow,
)


@step
async def first(inputs: int) -> int:
    return inputs


async def undecorated(first: int) -> int:
    return first


@step
async def second(first: int, context: Context[str]) -> str:
    context.inputs.no_such_method()  # wrong
    await sleep("tomorrow")  # wrong
    await wait_for_approval("refund", timeout=3)  # wrong
    return f"{first}"


@step(retry=Retry(attempts=5))  # wrong
async def third(second: str) -> str:
    return await wait_for_signal("paid", int)  # wrong


@workflow
def order(wf: WorkflowBuilder) -> None:
    wf.timeline(first >> undecorated)  # wrong
    wf.timeline(first >> "second")  # wrong
    wf.timeline(first >> [second, 3])  # wrong
    wf.timeline([1, 2] >> second)  # wrong
    wf.timeline("first" >> second)  # wrong
    wf.diverge("first", {"ok": second})  # wrong
    wf.diverge(first, {"ok": "second"})  # wrong
    wf.branch(first, condition="first > 1")  # wrong
    wf.branch(first, {3: second})  # wrong


async def approver(request: PendingApproval) -> bool:
    return True


async def use() -> None:
    await first("one")  # wrong
    second(first=1)  # wrong
    await order.execute(1, approver=approver)  # wrong
    await order.execute(1, signals=["paid"])  # wrong
    executor = DistributedExecutor("core:50051")
    await executor.submit(order, 1, exection_id="order-1")  # wrong
    await executor.execute(order, 1, timeout=30)  # wrong
    Worker("core:50051", workflows=order)  # wrong
    Worker("core:50051", workflows=[first])  # wrong
