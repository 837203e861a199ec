"""Approvals of a declared workflow: each question is answered in its type, and no other one by mistake."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from shop.v1 import orders_pb as pb
from shop.v1 import orders_workflows as wf

from cerebelum import ApprovalTimedOut, ExecutionFailed
from cerebelum.embedded import embedded_core
from cerebelum.testing import TestingCore
from cerebelum.worker import Worker
from cerebelum_client import InvalidRequest, Refused
from tests.sdk.declared.orders import Orders, order


async def test_a_question_is_answered_by_name_and_in_its_own_type(orders: wf.OrderFulfilmentClient) -> None:
    handle = await orders.start(order(7, "doubtful"))
    question = await handle.confirm_address.asked()
    assert question == pb.AddressQuestion(order_id=7, guess="home")
    await handle.confirm_address.approve(pb.AddressAnswer(address="work"), decided_by="Bo")
    assert await handle.result() == pb.Shipment(tracking_id="t7", address="work")
    assert await handle.confirm_address.question() is None


async def test_a_question_that_nobody_asks_cannot_be_answered(orders: wf.OrderFulfilmentClient) -> None:
    handle = await orders.start(order(7, "book"))
    await handle.result()
    with pytest.raises(Refused, match="'order/7' does not wait for confirm_address"):
        await handle.confirm_address.approve(pb.AddressAnswer())
    with pytest.raises(Refused, match="'order/7' has ended, and nothing asks for confirm_address"):
        await handle.confirm_address.asked()


async def test_a_decision_is_about_the_question_that_was_shown(
    core: TestingCore, orders: wf.OrderFulfilmentClient
) -> None:
    handle, other = await orders.start(order(7, "twice")), orders.handle("order/7")
    assert (await handle.confirm_address.asked()).guess == "home"
    assert (await other.confirm_address.asked()).guess == "home"
    await other.confirm_address.approve(pb.AddressAnswer(address="a"))
    await core.settle()
    for decided in (handle.confirm_address.approve(pb.AddressAnswer(address="b")), handle.confirm_address.reject()):
        with pytest.raises(Refused, match="of task 'order/7/ship/1.1.0', waits no more, and .* asks another one"):
            await decided
    assert (await handle.confirm_address.asked()).guess == "work"
    assert handle.confirm_address.task_id == "order/7/ship/1.1.1"
    await handle.confirm_address.approve(pb.AddressAnswer(address="c"))
    assert await handle.result() == pb.Shipment(tracking_id="t7", address="c")
    assert handle.confirm_address.task_id == ""


async def test_who_has_looked_at_nothing_decides_what_is_asked(
    core: TestingCore, orders: wf.OrderFulfilmentClient
) -> None:
    handle = await orders.start(order(7, "twice"))
    for address in ("a", "b"):
        await core.settle()
        await handle.confirm_address.approve(pb.AddressAnswer(address=address))
    assert await handle.result() == pb.Shipment(tracking_id="t7", address="b")


async def test_a_no_fails_the_step_that_does_not_catch_it(orders: wf.OrderFulfilmentClient) -> None:
    handle = await orders.start(order(7, "doubtful"))
    await handle.confirm_address.asked()
    await handle.confirm_address.reject("moved away", decided_by="Bo")
    with pytest.raises(ExecutionFailed, match="ApprovalRejected: rejected by Bo: moved away"):
        await handle.result()


async def test_an_approval_ends_when_the_contract_says(core: TestingCore, orders: wf.OrderFulfilmentClient) -> None:
    handle = await orders.start(order(7, "doubtful"))
    await core.skip(timedelta(hours=23, minutes=59))
    assert (await handle.status()).state == "waiting_for_approval"
    await core.skip(timedelta(minutes=2))
    with pytest.raises(ExecutionFailed, match=ApprovalTimedOut.__name__):
        await handle.result()


async def test_an_answer_may_come_as_json_from_somebody_who_has_no_generated_code(
    core: TestingCore, orders: wf.OrderFulfilmentClient
) -> None:
    handle = await orders.start(order(7, "doubtful"))
    await core.settle()
    await handle.execution.approve({"address": "by hand"})
    assert await handle.result() == pb.Shipment(tracking_id="t7", address="by hand")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"addres": "x"}, r"shop\.v1\.AddressAnswer has no field 'addres': it has address"),
        ({"address": 7}, r"shop\.v1\.AddressAnswer\.address \(string\): 7 is no text"),
        ("Quay 3", r"shop\.v1\.AddressAnswer: 'Quay 3' is no object"),
        (pb.Approval(by="Ada"), r"is answered by shop\.v1\.AddressAnswer, and this is shop\.v1\.Approval"),
    ],
)
async def test_an_answer_that_its_step_could_not_read_is_refused_and_the_question_stays_open(
    core: TestingCore, orders: wf.OrderFulfilmentClient, answer: object, told: str
) -> None:
    handle = await orders.start(order(7, "doubtful"))
    await core.settle()
    with pytest.raises(InvalidRequest, match=f"approval 'confirm_address' .*{told}.*step 'ship' still asks"):
        await handle.execution.approve(answer)
    assert await handle.confirm_address.question() is not None
    await handle.execution.approve({"address": "by hand"})
    assert await handle.result() == pb.Shipment(tracking_id="t7", address="by hand")


async def test_a_core_that_was_started_again_looks_at_answers_before_any_worker_has_come(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/orders.db"
    async with embedded_core(store) as core:
        worker = Worker(core, workflows=[Orders()])
        working = asyncio.create_task(worker.run())
        await (await wf.OrderFulfilmentClient(core).start(order(7, "doubtful"))).confirm_address.asked()
        worker.stop()
        await working
    async with embedded_core(store) as core:
        handle = wf.OrderFulfilmentClient(core).handle("order/7")
        with pytest.raises(InvalidRequest, match="has no field 'addres'"):
            await handle.execution.approve({"addres": "x"})
        assert await handle.confirm_address.question() is not None
        await handle.execution.approve({"address": "x"})
