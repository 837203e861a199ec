"""A durable run in one process: the same workflow, and what was recorded is never done again."""

from __future__ import annotations

import asyncio
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from cerebelum import (
    ApprovalTimedOut,
    CerebelumError,
    DistributedExecutor,
    No,
    PendingApproval,
    Worker,
    WorkflowBuilder,
    Yes,
    sleep,
    step,
    wait_for_approval,
    workflow,
)
from cerebelum.embedded import embedded_core
from cerebelum_client import AlreadyExists
from cerebelum_core.store.apart import ProcessCommitter
from cerebelum_core.store.sqlite import SqliteStore
from cerebelum_core.store.writer import HereIfAlone
from cerebelum_engine import LoseTask
from cerebelum_engine.policies import MAX_LOSSES

ran: list[str] = []


@pytest.fixture(autouse=True)
def nothing_ran_yet() -> None:
    ran.clear()


@step
async def begin(inputs: int) -> int:
    ran.append("begin")
    return inputs + 1


@step
async def rest(begin: int) -> int:
    await sleep(timedelta(milliseconds=50))
    ran.append("rested")
    return begin + 1


@step
async def sign(rest: int) -> str:
    decision = await wait_for_approval("limit", data={"amount": rest})
    return f"{rest} signed by {decision.decided_by}"


@workflow
def order(wf: WorkflowBuilder) -> None:
    wf.timeline(begin >> rest >> sign)


@workflow
def only_begins(wf: WorkflowBuilder) -> None:
    wf.timeline(begin)


async def yes(request: PendingApproval) -> Yes | No:
    return Yes(decided_by="Ada")


async def test_it_gives_what_a_local_run_gives(tmp_path: Path) -> None:
    durable = await order.execute(1, store=f"sqlite:///{tmp_path}/a.db", approver=yes)
    local = await order.execute(1, approver=yes)
    assert durable.output == local.output == "3 signed by Ada"


async def test_a_run_that_waits_for_a_dead_letter_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = f"sqlite:///{tmp_path}/a.db"
    async with embedded_core(store) as core:
        await DistributedExecutor(core).submit(order, 1, execution_id="order-1")
        for attempt in range(MAX_LOSSES):
            lost = LoseTask(task_id=f"order-1/begin/1.{attempt + 1}.0", worker_id="w", reason="it is gone")
            await core._node.registry.tell("order-1", lost)
    waiting = asyncio.create_task(order.execute(1, store=store, execution_id="order-1"))
    while "step 'begin' of execution 'order-1' is a dead letter" not in caplog.text:
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert ran == []


async def test_a_run_that_was_cut_off_goes_on_where_it_was(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/a.db"
    cut_off = asyncio.create_task(order.execute(1, store=store, execution_id="order-1"))
    while "rested" not in ran:
        await asyncio.sleep(0)
    cut_off.cancel()
    await asyncio.gather(cut_off, return_exceptions=True)

    result = await order.execute(1, store=store, execution_id="order-1", approver=yes)
    assert result.output == "3 signed by Ada"
    assert ran == ["begin", "rested"]


async def test_an_execution_that_has_ended_is_not_run_again_and_other_inputs_are_refused(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/a.db"
    await order.execute(1, store=store, execution_id="order-1", approver=yes)
    assert (await order.execute(1, store=store, execution_id="order-1")).output == "3 signed by Ada"
    assert ran == ["begin", "rested"]
    with pytest.raises(AlreadyExists, match="choose another id"):
        await order.execute(2, store=store, execution_id="order-1")


async def test_an_approver_that_fails_ends_the_call_and_the_execution_waits_for_another(tmp_path: Path) -> None:
    async def broken(request: PendingApproval) -> Yes | No:
        raise LookupError("nobody is in the office")

    store = f"sqlite:///{tmp_path}/a.db"
    with pytest.raises(LookupError, match="nobody is in the office"):
        await order.execute(1, store=store, execution_id="order-1", approver=broken)
    assert (await order.execute(1, store=store, execution_id="order-1", approver=yes)).output == "3 signed by Ada"


@step
async def pay() -> str:
    try:
        await wait_for_approval("small", timeout=timedelta(milliseconds=1))
    except ApprovalTimedOut:
        return f"paid, as {(await wait_for_approval('large')).response} says"
    return "paid"


@workflow
def payment(wf: WorkflowBuilder) -> None:
    wf.timeline(pay)


async def test_a_decision_that_comes_too_late_is_not_given_to_the_next_question(tmp_path: Path) -> None:
    large_is_asked, small_is_decided = asyncio.Event(), asyncio.Event()

    async def late(request: PendingApproval) -> Yes | No:
        if request.approval_type == "large":
            large_is_asked.set()
            await small_is_decided.wait()
        else:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            await large_is_asked.wait()
            small_is_decided.set()
        return Yes(f"yes to {request.approval_type}")

    async with asyncio.timeout(20):
        result = await payment.execute(store=f"sqlite:///{tmp_path}/a.db", approver=late)
    assert result.output == "paid, as yes to large says"


async def test_a_question_that_is_settled_is_not_put_when_its_run_goes_on(tmp_path: Path) -> None:
    store, large_is_asked = f"sqlite:///{tmp_path}/a.db", asyncio.Event()

    async def slow(request: PendingApproval) -> Yes | No:
        if request.approval_type == "large":
            large_is_asked.set()
        await asyncio.Event().wait()
        return Yes()

    cut_off = asyncio.create_task(payment.execute(store=store, execution_id="payment-1", approver=slow))
    async with asyncio.timeout(20):
        await large_is_asked.wait()
    cut_off.cancel()
    await asyncio.gather(cut_off, return_exceptions=True)
    put: list[str] = []

    async def quick(request: PendingApproval) -> Yes | No:
        put.append(request.approval_type)
        return Yes("another")

    async with asyncio.timeout(20):
        result = await payment.execute(store=store, execution_id="payment-1", approver=quick)
    assert (result.output, put) == ("paid, as another says", ["large"])


@step
async def left() -> str:
    return (await wait_for_approval("left")).decided_by


@step
async def right() -> str:
    return (await wait_for_approval("right")).decided_by


@workflow
def both(wf: WorkflowBuilder) -> None:
    wf.timeline([left, right])


async def test_all_open_questions_are_put_at_once_also_when_a_run_goes_on(tmp_path: Path) -> None:
    store, put = f"sqlite:///{tmp_path}/a.db", set[str]()
    both_are_put = asyncio.Event()

    async def meet(request: PendingApproval) -> None:
        put.add(request.step)
        if len(put) == 2:
            both_are_put.set()
        await both_are_put.wait()

    async def forgetful(request: PendingApproval) -> Yes | No:
        await meet(request)
        raise LookupError("what was it about?")

    async def thorough(request: PendingApproval) -> Yes | No:
        await meet(request)
        return Yes(decided_by=request.step)

    async with asyncio.timeout(20):
        with pytest.raises(LookupError, match="what was it about"):
            await both.execute(store=store, execution_id="both-1", approver=forgetful)
        put.clear()
        both_are_put.clear()
        result = await both.execute(store=store, execution_id="both-1", approver=thorough)
    assert result.output == {"left": "left", "right": "right"}


async def test_an_approver_that_is_cancelled_from_within_ends_the_call(tmp_path: Path) -> None:
    async def gives_up(request: PendingApproval) -> Yes | No:
        raise asyncio.CancelledError

    async with asyncio.timeout(20):
        with pytest.raises(CerebelumError, match="cancelled from within while it decided step 'sign'"):
            await order.execute(1, store=f"sqlite:///{tmp_path}/a.db", approver=gives_up)


async def test_a_store_that_cannot_be_had_is_an_error_of_the_sdk(tmp_path: Path) -> None:
    with pytest.raises(CerebelumError, match="does not exist: make it first"):
        await order.execute(1, store=f"sqlite:///{tmp_path}/nowhere/a.db")
    with pytest.raises(CerebelumError, match="is not understood: use sqlite:///FILE"):
        await order.execute(1, store="mysql://here")
    with pytest.raises(ValueError, match="not both"):
        await order.execute(1, store="memory://", distributed=True)


async def test_a_run_whose_store_another_core_took_over_ends_and_says_so(tmp_path: Path) -> None:
    path, taken_over, put = tmp_path / "a.db", asyncio.Event(), list[str]()

    @step
    async def outlasts() -> str:
        put.append("begun")
        await taken_over.wait()
        return "done"

    @workflow
    def outlasting(wf: WorkflowBuilder) -> None:
        wf.timeline(outlasts)

    running = asyncio.create_task(outlasting.execute(store=f"sqlite:///{path}", execution_id="x"))
    async with asyncio.timeout(20):
        while not put:
            await asyncio.sleep(0)
        with closing(apsw.Connection(str(path))) as thief:
            thief.execute("UPDATE ownership SET epoch = epoch + 1")
        taken_over.set()
        with pytest.raises(CerebelumError, match="another Core took the store over"):
            await running


async def test_a_store_that_cannot_be_read_is_an_error_of_the_sdk(tmp_path: Path) -> None:
    await order.execute(1, store=f"sqlite:///{tmp_path}/a.db", approver=yes)
    with closing(apsw.Connection(f"{tmp_path}/a.db")) as spoiling:
        spoiling.execute("DROP TABLE workers")
    with pytest.raises(CerebelumError, match="the Core cannot start: the store cannot read: no such table"):
        await order.execute(1, store=f"sqlite:///{tmp_path}/a.db")
    with pytest.raises(CerebelumError, match="the Core cannot start"):  # it was let go of
        await order.execute(1, store=f"sqlite:///{tmp_path}/a.db")


async def test_a_second_run_on_the_store_of_one_is_told_how_both_can_have_it(tmp_path: Path) -> None:
    async with embedded_core(f"sqlite:///{tmp_path}/a.db"):
        with pytest.raises(CerebelumError, match=r"which is this one: let all that run here share one Core"):
            await order.execute(1, store=f"sqlite:///{tmp_path}/a.db")


async def test_what_writes_for_an_embedded_core_may_be_a_process_of_its_own(tmp_path: Path) -> None:
    async with embedded_core(f"sqlite:///{tmp_path}/a.db", apart=True) as core, asyncio.TaskGroup() as group:
        store = core._node.store
        assert isinstance(store, SqliteStore)
        assert isinstance(store._writer._committer, HereIfAlone)
        assert isinstance(store._writer._committer._behind, ProcessCommitter)
        worker = Worker(core, workflows=[only_begins])
        group.create_task(worker.run())
        async with DistributedExecutor(core).stream() as stream:
            results = await asyncio.gather(*(stream.execute(only_begins, number) for number in range(30)))
        assert [result.output for result in results] == list(range(1, 31))
        worker.stop()


async def test_a_handle_follows_approves_and_cancels_by_id() -> None:
    async with embedded_core("memory://") as core, asyncio.TaskGroup() as group:
        worker = Worker(core, workflows=[order])
        group.create_task(worker.run())
        executor = DistributedExecutor(core)
        first = await executor.submit(order, 1, execution_id="first")
        second = await executor.submit("order", 5, execution_id="second")
        for handle in (first, second):
            while (await handle.status()).status != "waiting_for_approval":
                await asyncio.sleep(0)

        await executor.handle("first").approve(decided_by="Bob")
        await second.cancel("changed our mind", cancelled_by="Eve")
        results = [await handle.result() for handle in (first, second)]
        worker.stop()

    assert results[0].unwrap() == "3 signed by Bob"
    assert results[1].status == "cancelled"
    assert results[1].error is not None
    assert results[1].error.message == "changed our mind"


@pytest.mark.parametrize("turns", range(1, 40, 2))
async def test_whoever_is_cancelled_while_it_starts_lets_go_of_the_store(tmp_path: Path, turns: int) -> None:
    running = asyncio.create_task(order.execute(1, store=f"sqlite:///{tmp_path}/orders.db"))
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])
    async with embedded_core(f"sqlite:///{tmp_path}/orders.db"):
        pass


async def test_whoever_is_cancelled_twice_leaves_no_step_behind_and_the_next_run_goes_on_at_once(
    tmp_path: Path,
) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    @step
    async def lasting() -> str:
        if begun.is_set():
            return "at the second try"
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return "never"

    @workflow
    def long(wf: WorkflowBuilder) -> None:
        wf.timeline(lasting)

    store, others = f"sqlite:///{tmp_path}/a.db", asyncio.all_tasks()
    running = asyncio.create_task(long.execute(store=store, execution_id="long-1"))
    async with asyncio.timeout(20):
        await begun.wait()
        running.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        assert not ended.is_set(), "it may finish"
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        assert ended.is_set()
        assert asyncio.all_tasks() == others
        assert (await long.execute(store=store, execution_id="long-1")).output == "at the second try"


@pytest.mark.parametrize("store", [None, "memory://"])
async def test_an_approver_sees_the_same_data_wherever_the_workflow_runs(store: str | None) -> None:
    seen: list[str] = []

    @step
    async def asks() -> None:
        await wait_for_approval("refund", data={"amount": 4900, "of": [1, True, "x"]})

    @workflow
    def asking(wf: WorkflowBuilder) -> None:
        wf.timeline(asks)

    async def approver(request: PendingApproval) -> Yes:
        seen.append(repr(request.data))
        return Yes()

    (await asking.execute(store=store, approver=approver)).unwrap()
    assert seen == ["{'amount': 4900, 'of': [1, True, 'x']}"]
