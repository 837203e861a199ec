"""Everything here must pass `mypy --strict`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import assert_type

from cerebelum import (
    ApprovalRejected,
    Context,
    Decision,
    DistributedExecutor,
    ExecutionHandle,
    ExecutionResult,
    Explanation,
    PendingApproval,
    ProgressReporter,
    Retry,
    Signal,
    SignalTimedOut,
    Worker,
    Workflow,
    WorkflowBuilder,
    Yes,
    back_to,
    end,
    fail,
    mapping,
    memo,
    poll,
    proceed,
    retry,
    skip_to,
    sleep,
    step,
    wait_for_approval,
    wait_for_signal,
    workflow,
)


@dataclass
class Order:
    number: int
    amount: float


@step
async def validate(inputs: Order) -> Order:
    return inputs


@step(retry=Retry(max_attempts=5, non_retryable=(KeyError, "CardDeclined")), timeout=timedelta(seconds=30))
async def charge(validate: Order, context: Context[Order]) -> float:
    await context.heartbeat()
    return validate.amount + context.inputs.amount


@step
def reserve(validate: Order) -> str:
    return f"shelf {validate.number}"


@step
async def sign(charge: float) -> Decision | None:
    try:
        return await wait_for_approval("refund", data={"amount": charge}, timeout=timedelta(days=3))
    except ApprovalRejected as rejected:
        assert_type(rejected.reason, str)
        return None


@step
async def ship(reserve: str, sign: Decision | None) -> dict[str, str]:
    await sleep(timedelta(days=1), data={"why": "cooling off"})
    return {"shipped": reserve, "by": sign.decided_by if sign else "nobody"}


@step
async def pay(sign: Decision | None) -> Order:
    assert_type(await wait_for_signal("note"), object)
    try:
        return await wait_for_signal("paid", Order, timeout=timedelta(days=3))
    except SignalTimedOut:
        return Order(0, 0.0)


@workflow
def order(wf: WorkflowBuilder) -> None:
    wf.timeline(validate >> [charge, reserve] >> sign >> ship)


@workflow(name="other")
def group_first(wf: WorkflowBuilder) -> None:
    wf.timeline([validate] >> charge >> sign)
    wf.timeline([validate, reserve] >> charge)


@step
async def fetch(inputs: Order) -> str:
    async def ask() -> str:
        return "here"

    def count() -> int:
        return 3

    assert_type(await memo("asked", ask), str)
    assert_type(await memo("counted", count), int)
    assert_type(await poll(ask, every=timedelta(minutes=1), until=lambda answer: answer != ""), str)
    assert_type(await retry(ask, attempts=5, on=(ConnectionError, TimeoutError)), str)
    assert_type(await retry(count), int)
    await ProgressReporter().update(50, "half way")
    return "fetched"


@workflow(max_visits=20)
def ruled(wf: WorkflowBuilder) -> None:
    lanes = [charge >> sign, reserve]
    wf.timeline(validate >> lanes >> ship)
    wf.timeline([validate, fetch >> reserve] >> ship)
    wf.timeline(lanes, [ship, fetch.named("again")])
    wf.diverge(
        charge, {"declined": back_to(validate), mapping(code=7): retry(), "error": reserve >> [ship, sign], "_": end()}
    )
    wf.signals("paid", "note")
    wf.branch(validate, condition=lambda order: order.amount > 100, when_true=sign, when_false=[ship, reserve])
    wf.branch(
        fetch, {"fetch == 'x'": skip_to(ship), lambda value: len(value) > 3: fail("too long")}, otherwise=proceed()
    )


async def approver(request: PendingApproval) -> Yes:
    return Yes(response=request.data, decided_by="Ada")


async def unit_test() -> None:
    assert_type(await validate(Order(1, 2.0)), Order)
    assert_type(reserve(validate=Order(1, 2.0)), str)
    assert_type(order, Workflow)


async def use() -> None:
    assert_type(await order.execute(Order(1, 2.0), approver=approver), ExecutionResult)
    await order.execute(Order(1, 2.0), store="sqlite:///orders.db", execution_id="order-1")
    await order.execute(Order(1, 2.0), signals=[Signal("paid", Order(1, 2.0))])
    async with DistributedExecutor("core:50051") as executor:
        handle = await executor.submit(order, Order(1, 2.0), timeout=timedelta(hours=1), tags=["vip"])
        assert_type(handle, ExecutionHandle)
        await handle.approve({"limit": 3}, decided_by="Ada")
        assert_type(await handle.signal("paid", Order(1, 2.0), signal_id="1", sent_by="Ada"), bool)
        assert_type(await handle.result(), ExecutionResult)
        assert_type((await handle.why())[0], Explanation)
        await handle.pause("holiday", paused_by="Ada")
        await handle.resume(resumed_by="Ada")
        assert_type(list(await handle.retry()), list[str])
        assert_type(await handle.migrate(group_first), str)
        assert_type(await handle.fork(step="ship", execution_id="again"), ExecutionHandle)
        assert_type(executor.handle("order-1", order), ExecutionHandle)
        await handle.cancel("enough", cleanup=timedelta(seconds=3))
        await executor.execute("order", {"number": 1, "amount": 2.0})
    await Worker("core:50051", workflows=[order, group_first], concurrency=4).run()
