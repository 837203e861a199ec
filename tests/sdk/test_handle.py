"""A handle steers an execution: each verb does what it says, and a refusal tells where things stand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from cerebelum import (
    ApprovalTimedOut,
    CerebelumError,
    DistributedExecutor,
    Worker,
    Workflow,
    WorkflowBuilder,
    sleep,
    step,
    testing,
    wait_for_approval,
    workflow,
)
from cerebelum.embedded import embedded_core
from cerebelum_client import Converter, Core, NotFound, PayloadError, Refused

broken: set[str] = set()
ran: list[str] = []


@pytest.fixture(autouse=True)
def nothing_happened_yet() -> None:
    broken.clear()
    ran.clear()


@dataclass
class Parcel:
    number: int


@step
async def pack(inputs: int) -> Parcel:
    ran.append("pack")
    return Parcel(inputs)


@step
async def rest(pack: Parcel) -> None:
    await sleep(timedelta(days=1))


@step
async def send(pack: Parcel) -> Parcel:
    ran.append("send")
    if "send" in broken:
        raise ConnectionError("no courier")
    return pack


@step
async def receipt() -> datetime:
    return datetime(2030, 1, 2, tzinfo=UTC)


@workflow
def parcel(wf: WorkflowBuilder) -> None:
    wf.timeline(pack >> rest >> send)


@workflow(name="parcel")
def parcel_with_a_receipt(wf: WorkflowBuilder) -> None:
    wf.timeline(pack >> rest >> send >> receipt)


@workflow(name="parcel")
def parcel_that_is_not_packed(wf: WorkflowBuilder) -> None:
    wf.timeline(pack.named("wrap") >> receipt)


@workflow
def parcel_at_once(wf: WorkflowBuilder) -> None:
    wf.timeline(pack)


class Price:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Price) and other.cents == self.cents

    def __hash__(self) -> int:
        return hash(self.cents)


@step
async def price() -> Price:
    return Price(3)


@workflow(converters=[Converter("price", Price, lambda it: it.cents, Price)])
def priced(wf: WorkflowBuilder) -> None:
    wf.timeline(price)


@step
async def ask() -> str:
    return (await wait_for_approval("limit")).decided_by


@step
async def ask_twice() -> str:
    with suppress(ApprovalTimedOut):
        await wait_for_approval("limit", {"cents": 100}, timeout=timedelta(hours=1))
    return (await wait_for_approval("limit", {"cents": 900})).decided_by


@workflow
def questions(wf: WorkflowBuilder) -> None:
    wf.timeline(ask_twice)


@workflow
def question(wf: WorkflowBuilder) -> None:
    wf.timeline(ask)


@asynccontextmanager
async def worker_of(core: Core, *workflows: Workflow) -> AsyncIterator[None]:
    worker, ready = Worker(core, workflows=workflows), asyncio.Event()
    working = asyncio.create_task(worker.run(ready.set))
    await ready.wait()
    yield
    worker.stop()
    await working


async def test_a_paused_execution_goes_on_when_it_is_resumed() -> None:
    async with testing.core([parcel]) as core:
        handle = await core.start(parcel, 7)
        await handle.pause("holiday", paused_by="Ada")
        await core.skip(timedelta(days=2))
        assert (await handle.status()).status == "paused"
        assert (await handle.why())[0].message.startswith("it was paused by Ada (holiday)")
        await handle.resume()
        await core.settle()
        assert await core.output(handle) == Parcel(7)
        with pytest.raises(Refused, match="has ended"):
            await handle.pause()


async def test_what_failed_is_retried_and_what_had_succeeded_stays() -> None:
    async with testing.core([parcel]) as core:
        broken.add("send")
        handle = await core.start(parcel, 7)
        failed = await core.result(handle)
        assert (failed.status, failed.error and failed.error.step) == ("failed", "send")
        broken.clear()
        assert await handle.retry(retried_by="Ada") == ["send"]
        assert await core.output(handle) == Parcel(7)
        assert ran == ["pack", "send", "send"]
        with pytest.raises(Refused):
            await handle.retry()


async def test_a_fork_inherits_what_was_done_before_its_step() -> None:
    async with testing.core([parcel]) as core:
        handle = await core.start(parcel, 7)
        await core.result(handle)
        forked = await handle.fork(step="send", execution_id="again")
        assert forked.execution_id == "again"
        assert await core.output(forked) == Parcel(7)
        assert ran == ["pack", "send", "send"]
        assert (await handle.fork(step="send", execution_id="again")).execution_id == "again"


async def test_a_sleeper_is_moved_to_a_new_version_and_its_result_is_that_version_s() -> None:
    async with testing.core([parcel, parcel_with_a_receipt]) as core:
        handle = await core.start(parcel, 7)
        with pytest.raises(Refused, match="pack"):
            await handle.migrate(parcel_that_is_not_packed)
        assert await handle.migrate(parcel_with_a_receipt, migrated_by="Ada") == parcel_with_a_receipt.hash
        assert await core.output(handle) == datetime(2030, 1, 2, tzinfo=UTC)


async def test_an_execution_whose_version_nobody_runs_says_so_and_goes_on_once_it_is_moved() -> None:
    async with testing.core([parcel_with_a_receipt]) as core:
        handle = await core.start(parcel, 7)
        with pytest.raises(CerebelumError, match=r"is running, and no time changes that: no worker has blueprint .*"):
            await core.result(handle)
        (told,) = await handle.why()
        assert (told.standing, told.step) == ("no_worker", "pack")
        assert told.message.endswith(
            "1 worker has another version of it: start one that has it, or migrate the execution"
        )
        await handle.migrate(parcel_with_a_receipt)
        assert await core.output(handle) == datetime(2030, 1, 2, tzinfo=UTC)


async def test_an_execution_is_terminated_at_once_and_never_by_a_cleanup_of_no_time() -> None:
    async with testing.core([question]) as core:
        handle = await core.start(question)
        with pytest.raises(ValueError, match=r"call terminate\(\)"):
            await handle.cancel(cleanup=timedelta(0))
        await handle.terminate("enough", terminated_by="Ada")
        assert (await handle.status()).status == "cancelled"


async def test_why_tells_what_is_waited_for_in_a_word_and_in_words() -> None:
    async with testing.core([question, parcel]) as core:
        asked, asleep = await core.start(question), await core.start(parcel, 7)
        (approval,) = await asked.why()
        assert (approval.standing, approval.step) == ("awaiting_approval", "ask")
        assert "cerebelum approve" in approval.message
        (sleeping,) = await asleep.why()
        assert (sleeping.standing, sleeping.until) == ("sleeping", core.now + timedelta(days=1))
        with pytest.raises(Refused, match="no dead"):
            await asleep.redrive()


async def test_without_its_workflow_a_value_comes_back_as_what_it_says_of_itself() -> None:
    async with embedded_core("memory://") as core, worker_of(core, parcel_at_once):
        executor = DistributedExecutor(core)
        assert (
            await (await executor.submit(parcel_at_once, 7, execution_id="p")).result()
            == await executor.handle("p", parcel_at_once).result()
        )
        assert (await executor.handle("p").result()).output == {"number": 7}
        assert (await executor.execute("parcel_at_once", 8)).output == {"number": 8}
        with pytest.raises(NotFound):
            await executor.handle("nobody").status()


async def test_what_needs_code_to_be_read_asks_for_the_workflow() -> None:
    async with embedded_core("memory://") as core, worker_of(core, priced):
        executor = DistributedExecutor(core)
        await executor.execute(priced, execution_id="p")
        with pytest.raises(PayloadError, match=r"step 'price' cannot be read.*executor\.handle\('p', workflow\)"):
            await executor.handle("p").result()
        assert (await executor.handle("p", priced).result()).output == Price(3)


async def test_a_decision_for_another_question_is_refused() -> None:
    async with testing.core([question]) as core:
        handle = await core.start(question)
        await core.settle()
        with pytest.raises(Refused, match="question of task 'another' waits no more: decide what is asked now by ask"):
            await handle.approve(task_id="another")
        with pytest.raises(Refused, match="waits no more"):
            await handle.reject(task_id="another")
        await handle.approve(decided_by="Ada", task_id=f"{handle.execution_id}/ask/1.1.0")
        assert await core.output(handle) == "Ada"


async def test_who_saw_one_question_does_not_decide_the_one_that_came_meanwhile() -> None:
    async with testing.core([questions]) as core:
        handle = await core.start(questions)
        shown = (await handle.status()).approval
        assert shown is not None
        assert (shown.step, shown.approval_type, shown.data) == ("ask_twice", "limit", {"cents": 100})
        assert str(shown.data) == "{'cents': 100}", "no 100.0, which is what travels"
        await core.skip(timedelta(hours=2))
        with pytest.raises(Refused, match=f"of task '{shown.task_id}' waits no more: decide what is asked now"):
            await handle.approve(decided_by="Ada", task_id=shown.task_id)
        now_shown = (await handle.status()).approval
        assert now_shown is not None
        assert now_shown.data == {"cents": 900}
        await handle.approve(decided_by="Ada", task_id=now_shown.task_id)
        assert await core.output(handle) == "Ada"
        assert (await handle.status()).approval is None
