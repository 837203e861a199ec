"""`cerebelum.testing`: days pass in milliseconds, in the order in which they would have passed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cerebelum import (
    ApprovalTimedOut,
    CerebelumError,
    Context,
    ExecutionFailed,
    Retry,
    WorkflowBuilder,
    sleep,
    step,
    testing,
    wait_for_approval,
    workflow,
)
from cerebelum_client import ClientError, Refused


@step
async def cool_off(inputs: dict[str, int]) -> int:
    await sleep(timedelta(days=1))
    await sleep(timedelta(days=2))
    return inputs["order"]


@step
async def sign(cool_off: int) -> str:
    try:
        decision = await wait_for_approval("signature", timeout=timedelta(days=7))
    except ApprovalTimedOut:
        return "nobody signed"
    return f"order {cool_off} signed by {decision.decided_by}: {decision.response}"


@workflow
def purchase(wf: WorkflowBuilder) -> None:
    wf.timeline(cool_off >> sign)


async def test_three_days_and_an_approval_pass_in_milliseconds() -> None:
    async with testing.core([purchase]) as core:
        before = core.now
        handle = await core.start(purchase, {"order": 7})
        assert (await handle.status()).status == "sleeping"
        await core.skip(timedelta(days=3) - timedelta(seconds=1))
        assert (await handle.status()).status == "sleeping"
        with pytest.raises(Refused):
            await core.approve(handle)
        await core.skip(timedelta(seconds=1))
        assert (await handle.status()).status == "waiting_for_approval"
        await core.approve(handle, "fine", decided_by="Ada")
        assert await core.output(handle) == "order 7 signed by Ada: fine"
        assert core.now - before == timedelta(days=3)


async def test_each_timer_fires_at_its_own_time() -> None:
    async with testing.core([purchase]) as core:
        handle = await core.start(purchase, {"order": 7})
        before = core.now
        await core.skip(timedelta(days=30))
        ended = await core.result(handle)
        assert ended.output == "nobody signed"
        assert ended.completed_at == before + timedelta(days=10)


async def test_time_does_not_pass_backwards() -> None:
    async with testing.core([purchase]) as core:
        with pytest.raises(ValueError, match="cannot skip -1 day, 0:00:00 from 2030-01-01 .*: go forward"):
            await core.skip(timedelta(days=-1))


HOURLY = Retry(max_attempts=3, initial_interval=timedelta(hours=1), max_interval=timedelta(hours=2), jitter=0)


@step(retry=HOURLY)
async def flaky(context: Context[None]) -> int:
    if context.attempt < 3:
        raise OSError("not yet")
    return context.attempt


@workflow
def persistent(wf: WorkflowBuilder) -> None:
    wf.timeline(flaky)


async def test_a_result_takes_as_much_time_as_its_retries_take() -> None:
    async with testing.core([persistent]) as core:
        before = core.now
        handle = await core.start(persistent)
        assert await core.output(handle) == 3
        assert core.now - before == timedelta(hours=3)


@step
async def ask() -> str:
    return (await wait_for_approval("yes or no")).decided_by


@workflow
def question(wf: WorkflowBuilder) -> None:
    wf.timeline(ask)


async def test_what_no_time_ends_is_said_instead_of_waited_for() -> None:
    async with testing.core([question]) as core:
        handle = await core.start(question)
        with pytest.raises(CerebelumError, match="is waiting_for_approval, and no time changes that"):
            await core.result(handle)
        await core.reject(handle, "no", decided_by="Ada")
        with pytest.raises(ExecutionFailed, match="rejected by Ada: no"):
            await core.output(handle)


async def test_words_that_are_none_are_refused_and_the_execution_goes_on() -> None:
    words: Any = 3
    async with testing.core([question]) as core:
        with pytest.raises(TypeError, match="an execution: its id is 3: give a text"):
            await core.start(question, execution_id=words)
        handle = await core.start(question)
        with pytest.raises(ClientError, match="RejectRequest.reason: .* the field takes str"):
            await core.reject(handle, words)
        with pytest.raises(ClientError, match="SignalRequest.name: .* the field takes str"):
            await core.signal(handle, words)
        await core.approve(handle, decided_by="Ada")
        assert await core.output(handle) == "Ada"


async def test_a_cancelled_execution_ends_and_a_deadline_is_kept() -> None:
    async with testing.core([question]) as core:
        handle = await core.start(question)
        await core.cancel(handle, "enough")
        assert (await core.result(handle)).status == "cancelled"
        late = await core.start(question, timeout=timedelta(hours=1))
        await core.skip(timedelta(hours=1))
        assert (await late.status()).status == "failed"
        later = await core.start(question, timeout=timedelta(days=60))
        await core.skip(timedelta(days=59))
        assert (await later.status()).status == "waiting_for_approval"
        await core.skip(timedelta(days=1))
        assert (await later.status()).status == "failed"


@step
async def hasty(sign: str | None = None) -> str:
    return sign or "unsigned"


async def test_what_a_workflow_may_have_meant_otherwise_is_told_where_it_is_brought_to_a_core(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @workflow
    def upside_down(wf: WorkflowBuilder) -> None:
        wf.timeline(hasty >> cool_off >> sign)

    async with testing.core([upside_down]):
        assert "workflow 'upside_down': step 'hasty' depends on 'sign', which never has a result by then" in caplog.text
