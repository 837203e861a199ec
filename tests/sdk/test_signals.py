"""Signals sent to a workflow that runs here, on a durable store, and on a Core under test: one meaning in all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cerebelum import (
    CerebelumError,
    DistributedExecutor,
    ExecutionResult,
    No,
    OutsideStep,
    Signal,
    SignalTimedOut,
    Workflow,
    WorkflowBuilder,
    Yes,
    poll,
    sleep,
    step,
    testing,
    wait_for_approval,
    wait_for_signal,
    workflow,
)
from cerebelum.step import AnyStep
from cerebelum_client import AlreadyExists, InvalidRequest, NotFound, Refused
from tests.simulation.virtual_time import run


@dataclass
class Payment:
    amount: int


@step
async def charge() -> int:
    try:
        payment = await wait_for_signal("paid", Payment, timeout=timedelta(days=3))
    except SignalTimedOut as late:
        return 0 if str(late) == "no signal 'paid' came in time" else -1
    return payment.amount


@step
async def ship(charge: int) -> str:
    return f"{charge} paid, shipped {await wait_for_signal('packed')}"


@workflow
def order(wf: WorkflowBuilder) -> None:
    wf.timeline(charge >> ship)
    wf.signals("paid", "packed")


def of(only: AnyStep) -> Workflow:
    @workflow(name="play")
    def play(wf: WorkflowBuilder) -> None:
        wf.timeline(only)

    return play


async def test_a_workflow_goes_on_with_the_signals_that_it_is_sent_here_and_on_a_store(tmp_path: Path) -> None:
    signals = [Signal("packed", "a box"), Signal("paid", Payment(7))]
    here = await order.execute(signals=signals)
    durable = await order.execute(signals=signals, store=f"sqlite:///{tmp_path}/a.db", execution_id="x")
    assert here.output == durable.output == "7 paid, shipped a box"
    again = await order.execute(signals=signals, store=f"sqlite:///{tmp_path}/a.db", execution_id="x")
    assert again.completed_at == durable.completed_at


def test_signals_come_when_an_iterator_has_them_and_three_days_pass_at_once() -> None:
    async def late() -> AsyncIterator[Signal]:
        await asyncio.sleep(timedelta(days=2).total_seconds())
        yield Signal("paid", Payment(7))
        yield Signal("paid", Payment(8))  # nobody waits for a second one
        yield Signal("packed", "a box")

    async def never() -> AsyncIterator[Signal]:
        await asyncio.sleep(timedelta(days=4).total_seconds())
        yield Signal("packed", "a box")

    def execute(signals: AsyncIterator[Signal]) -> ExecutionResult:
        return run(lambda: order.execute(signals=signals))

    assert execute(late()).output == "7 paid, shipped a box"
    assert execute(never()).output == "0 paid, shipped a box"


async def test_a_wait_that_nobody_ends_says_how_to_end_it() -> None:
    with pytest.raises(CerebelumError, match="step 'ship' waits for signal 'packed' and nobody is there to send it"):
        await order.execute(signals=[Signal("paid", Payment(7))])


async def test_a_signal_that_the_workflow_does_not_take_is_refused_with_those_that_it_takes(tmp_path: Path) -> None:
    told = "workflow 'order' has no signal 'payed': it takes paid, packed"
    with pytest.raises(CerebelumError, match=told):
        await order.execute(signals=[Signal("payed")])
    with pytest.raises(InvalidRequest, match=told):
        await order.execute(signals=[Signal("payed")], store=f"sqlite:///{tmp_path}/a.db")


async def test_signals_of_an_execution_on_a_core_are_not_sent_from_here() -> None:
    with pytest.raises(ValueError, match="cerebelum signal"):
        await order.execute(signals=[Signal("paid")], distributed=True)


async def test_a_handle_sends_signals_and_is_told_of_repeats_and_refusals() -> None:
    async with testing.core([order]) as core:
        handle = await core.start(order, execution_id="x")
        (told,) = await handle.why()
        assert (told.standing, told.step) == ("awaiting_signal", "charge")
        assert "waits for signal 'paid'; cerebelum signal x paid" in told.message
        assert (await handle.status()).status == "waiting_for_signal"
        assert await handle.signal("paid", Payment(7), signal_id="1")
        assert not await handle.signal("paid", Payment(7), signal_id="1")
        with pytest.raises(AlreadyExists, match="signal id '1' is that of a signal 'paid'"):
            await handle.signal("packed", signal_id="1")
        with pytest.raises(InvalidRequest, match="it takes paid, packed"):
            await handle.signal("payed")
        with pytest.raises(NotFound):
            await DistributedExecutor(core.core).handle("nobody").signal("paid")
        await core.signal(handle, "packed", "a box", sent_by="Ada")
        assert await core.output(handle) == "7 paid, shipped a box"
        assert not await handle.signal("paid", Payment(7), signal_id="1")
        with pytest.raises(Refused, match="has ended"):
            await handle.signal("paid", Payment(7))


async def test_time_that_passes_ends_a_wait_under_test() -> None:
    async with testing.core([order]) as core:
        handle = await core.start(order)
        await core.skip(timedelta(days=3))
        await core.signal(handle, "packed", "a box")
        assert await core.output(handle) == "0 paid, shipped a box"


async def test_code_between_waits_sees_each_signal_once_and_in_order() -> None:
    @step
    async def counts() -> list[object]:
        taken: list[object] = []
        while (each := await wait_for_signal("item")) is not None:
            taken.append(each)
            await sleep(0.001)
        return taken

    signals = [Signal("item", number) for number in (3, 1, 2)] + [Signal("item")]
    assert (await of(counts).execute(signals=signals)).output == [3, 1, 2]


@pytest.mark.parametrize("store", [None, "memory://"])
async def test_an_id_that_is_a_number_is_no_place_among_those_that_are_sent(store: str | None) -> None:
    @step
    async def takes_two() -> object:
        return [await wait_for_signal("item"), await wait_for_signal("item", timeout=timedelta(seconds=1))]

    signals = [Signal("item", 1, signal_id="2"), Signal("item", 2)]
    assert (await of(takes_two).execute(signals=signals, store=store)).output == [1, 2]


async def test_a_step_that_waits_otherwise_than_on_its_last_run_fails_and_is_told_how() -> None:
    runs: list[str] = []

    @step
    async def fickle() -> None:
        runs.append("again")
        await wait_for_signal("paid" if len(runs) == 1 else "packed")

    @step
    async def confused() -> None:
        runs.append("again")
        await (wait_for_signal("paid") if len(runs) == 1 else wait_for_approval())

    for each in (fickle, confused):
        runs.clear()
        result = await of(each).execute(signals=[Signal("paid")])
        assert result.error is not None
        assert result.error.kind == "MarkerMismatch"
        assert "where on its last run something ended as signal 'paid'" in result.error.message


async def test_what_came_is_read_as_the_step_says_or_the_step_fails() -> None:
    result = await order.execute(signals=[Signal("paid", {"sum": 7})])
    assert result.error is not None
    assert result.error.kind == "PayloadError"


async def test_a_poll_in_between_changes_nothing() -> None:
    @step
    async def polls() -> object:
        first = await wait_for_signal("item")
        await poll(lambda: True, every=timedelta(seconds=1), until=lambda there: there)
        return [first, await wait_for_signal("item")]

    assert (await of(polls).execute(signals=[Signal("item", 1), Signal("item", 2)])).output == [1, 2]


async def test_a_wait_belongs_into_a_step_and_has_a_name() -> None:
    with pytest.raises(OutsideStep, match=r"wait_for_signal\(\) was called where no step runs"):
        await wait_for_signal("paid")
    with pytest.raises(ValueError, match="a signal has a name"):
        await wait_for_signal("")


def test_a_signal_and_an_answer_that_cannot_travel_are_refused_where_they_are_written() -> None:
    nothing: Any = 3
    for write in (Signal, No, lambda told: Yes(decided_by=told), lambda told: Signal("paid", sent_by=told)):
        with pytest.raises(TypeError, match="is 3: give a text"):
            write(nothing)
