"""A declared workflow, from its typed start to its typed result."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from shop.v1 import orders_pb as pb
from shop.v1 import orders_workflows as wf

from cerebelum import (
    DefinitionError,
    DistributedExecutor,
    ExecutionFailed,
    Retry,
    SignalTimedOut,
    WorkflowBuilder,
    Yes,
    as_workflow,
    step,
    testing,
    workflow,
)
from cerebelum.embedded import embedded_core
from cerebelum.generated import v1
from cerebelum.testing import TestingCore
from cerebelum.worker import Worker
from cerebelum_client import AlreadyExists, InvalidRequest, from_payload, to_payload
from cerebelum_proto.events.v1.events_pb import ExecutionStarted
from cerebelum_proto.types.v1.types_pb import Payload
from tests.sdk.declared.orders import Orders, order


async def test_the_result_is_the_message_of_the_last_step(orders: wf.OrderFulfilmentClient) -> None:
    handle = await orders.start(order(7, "book"))
    assert await handle.result() == pb.Shipment(tracking_id="t7")


async def test_each_step_gets_the_very_messages_that_its_request_is_made_of(
    orders: wf.OrderFulfilmentClient, implementation: Orders
) -> None:
    await (await orders.start(order(7, "book"))).result()
    assert implementation.shipped == [
        pb.ShipRequest(
            inputs=order(7, "book"),
            label=pb.LabelledParcel(label="00ff"),
            charge=pb.Receipt(payment_id="500 of 7"),
        )
    ]


async def test_an_optional_answer_is_there_when_its_step_has_run(
    orders: wf.OrderFulfilmentClient, implementation: Orders
) -> None:
    implementation.cents = 100_001
    await (await orders.start(order(7, "book", kind=pb.Kind.EXPRESS))).result()
    assert implementation.shipped[0].review == pb.Approval(by="Ada")


@pytest.mark.parametrize(("cents", "kind"), [(100_000, pb.Kind.EXPRESS), (100_001, pb.Kind.KIND_UNSPECIFIED)])
async def test_a_condition_asks_about_messages_field_by_field(
    orders: wf.OrderFulfilmentClient, implementation: Orders, cents: int, kind: pb.Kind
) -> None:
    implementation.cents = cents
    await (await orders.start(order(7, "book", kind=kind))).result()
    assert implementation.shipped[0].review is None


async def test_a_reason_that_a_step_gives_leads_where_the_contract_says(orders: wf.OrderFulfilmentClient) -> None:
    handle = await orders.start(order(8))
    assert await handle.result() == pb.Backordered(order_id=8)


async def test_a_failure_tells_its_reason(orders: wf.OrderFulfilmentClient, implementation: Orders) -> None:
    handle = await orders.start(order(9, "declined"))
    with pytest.raises(ExecutionFailed, match=r"order/9.*no money") as raised:
        await handle.result()
    assert raised.value.error is not None
    assert (raised.value.error.kind, raised.value.error.step) == ("failed_by_rule", "charge")
    assert implementation.tries == 1, "the contract says that such a failure is final"


async def test_the_contract_s_retries_are_kept(
    core: TestingCore, orders: wf.OrderFulfilmentClient, implementation: Orders
) -> None:
    handle = await orders.start(order(9, "hiccup"))
    await core.skip(timedelta(seconds=10))
    assert await handle.result() == pb.Shipment(tracking_id="t9")
    assert implementation.tries == 3


async def test_a_test_lets_as_much_time_pass_as_the_typed_result_takes(
    core: TestingCore, orders: wf.OrderFulfilmentClient, implementation: Orders
) -> None:
    handle = await orders.start(order(9, "hiccup"))
    before = core.now
    assert await core.output(handle) == pb.Shipment(tracking_id="t9")
    assert core.now > before, "two retries were due later"


async def test_the_status_shows_what_the_steps_have_given(core: TestingCore, orders: wf.OrderFulfilmentClient) -> None:
    handle = await orders.start(order(7, "doubtful"))
    await core.settle()
    status = await handle.status()
    assert (status.state, status.result) == ("waiting_for_approval", None)
    assert status.outputs == wf.OrderFulfilmentOutputs(
        validate=pb.ValidOrder(order_id=7, total_cents=500),
        charge=pb.Receipt(payment_id="500 of 7"),
        notify=v1.Empty(),
        pack=pb.Parcel(photo=b"\x00\xff"),
        label=pb.LabelledParcel(label="00ff"),
    )


async def test_signals_are_sent_by_name_and_bring_their_own_types(
    core: TestingCore, orders: wf.OrderFulfilmentClient
) -> None:
    handle = await orders.start(order(7, "on_account"))
    assert await handle.payment_received(pb.Payment(reference="r1", cents=500), signal_id="1", sent_by="bank")
    assert not await orders.handle("order/7").payment_received(pb.Payment(reference="r1", cents=500), signal_id="1")
    await core.settle()
    assert (await handle.status()).state == "waiting_for_signal"
    await handle.hurry()
    assert await handle.result() == pb.Shipment(tracking_id="r1", address="500 cents")
    told = [event async for event in handle.watch()]
    (came,) = [event for event in told if isinstance(event, wf.OrderFulfilmentPaymentReceivedSignalled)]
    assert (came.payload, came.sent_by, came.signal_id) == (pb.Payment(reference="r1", cents=500), "bank", "1")
    assert [event.signal for event in told if isinstance(event, v1.SignalConsumed)] == ["hurry", "payment_received"]
    assert [event.signal for event in told if isinstance(event, v1.SignalAwaited)] == ["hurry", "payment_received"]


async def test_a_signal_is_awaited_as_long_as_the_contract_says(
    core: TestingCore, orders: wf.OrderFulfilmentClient
) -> None:
    handle = await orders.start(order(7, "on_account"))
    await handle.hurry()
    await core.skip(timedelta(hours=47, minutes=59))
    assert (await handle.status()).state == "waiting_for_signal"
    await core.skip(timedelta(minutes=2))
    with pytest.raises(ExecutionFailed, match=SignalTimedOut.__name__):
        await handle.result()
    assert any([isinstance(event, v1.SignalWaitExpired) async for event in handle.watch()])


async def test_a_signal_that_is_not_in_the_contract_or_of_another_type_is_refused(
    core: TestingCore, orders: wf.OrderFulfilmentClient
) -> None:
    handle = await orders.start(order(7, "on_account"))
    with pytest.raises(InvalidRequest, match="has no signal 'payed': it takes payment_received, hurry"):
        await handle.execution.signal("payed")
    with pytest.raises(TypeError, match=r"brings shop\.v1\.Payment"):
        await handle.payment_received(pb.Order())  # type: ignore[arg-type]  # what the test is about
    wrong = r"signal 'payment_received' brings shop\.v1\.Payment, and this is none: .*cents \(int64\): 'x' is no"
    with pytest.raises(InvalidRequest, match=wrong):
        await handle.execution.signal("payment_received", {"reference": "r2", "cents": "x"})
    with pytest.raises(InvalidRequest, match=r"signal 'hurry' brings google\.protobuf\.Empty, and this is none"):
        await handle.execution.signal("hurry", {"much": True})
    await handle.hurry()
    await handle.execution.signal("payment_received", {"reference": "r2", "cents": 7})
    assert await handle.result() == pb.Shipment(tracking_id="r2", address="7 cents")


async def test_inputs_may_come_as_json_from_somebody_who_has_no_generated_code(core: TestingCore) -> None:
    executor = DistributedExecutor(core.core)
    handle = await executor.submit("shop.v1.OrderFulfilment", {"orderId": "12", "skus": ["book"]}, execution_id="x")
    typed = wf.OrderFulfilmentClient(core.core).handle(handle.execution_id)
    assert await typed.result() == pb.Shipment(tracking_id="t12")


# -- ids and limits --------------------------------------------------------------------------


async def test_the_id_is_made_of_the_inputs_as_the_contract_says(orders: wf.OrderFulfilmentClient) -> None:
    assert (await orders.start(order(7, "book"))).execution_id == "order/7"


async def test_the_same_inputs_again_are_the_same_execution(
    orders: wf.OrderFulfilmentClient, implementation: Orders
) -> None:
    await (await orders.start(order(7, "book"))).result()
    await (await orders.start(order(7, "book"))).result()
    assert len(implementation.shipped) == 1


async def test_other_inputs_under_the_same_id_are_refused(orders: wf.OrderFulfilmentClient) -> None:
    await orders.start(order(7, "book"))
    with pytest.raises(AlreadyExists):
        await orders.start(order(7, "pen"))


async def test_an_id_may_be_used_once_only_where_the_call_says_so(orders: wf.OrderFulfilmentClient) -> None:
    await orders.start(order(7, "book"))
    with pytest.raises(AlreadyExists, match="'order/7' exists already"):
        await orders.start(order(7, "book"), id_reuse=v1.IdReuse.ID_REUSE_REFUSE)


async def test_what_the_contract_says_can_be_overridden_at_the_call(
    core: TestingCore, orders: wf.OrderFulfilmentClient
) -> None:
    handle = await orders.start(
        order(7, "doubtful"), execution_id="mine", deadline=timedelta(hours=1), tags=["vip"], correlation_id="c"
    )
    started = await anext(handle.watch())
    assert isinstance(started, v1.Started)
    assert started.inputs == order(7, "doubtful")
    facts = [event.fact async for event in core.core.executions.history("mine")]
    assert isinstance(facts[0], ExecutionStarted)
    assert (facts[0].tags, facts[0].correlation_id) == (["vip"], "c")
    await core.skip(timedelta(hours=1))
    with pytest.raises(ExecutionFailed, match="deadline_exceeded"):
        await handle.result()


async def test_how_a_step_is_tried_again_can_be_said_at_the_call(
    core: TestingCore, orders: wf.OrderFulfilmentClient, implementation: Orders
) -> None:
    retries = {"charge": Retry(max_attempts=2)}
    handle = await orders.start(order(8, "hiccup"), retries=retries)
    with pytest.raises(ExecutionFailed, match="the bank is away"):
        await core.output(handle)
    assert implementation.tries == 2
    await core.output(await orders.start(order(9, "hiccup")))
    assert implementation.tries == 5
    with pytest.raises(InvalidRequest, match="retries of 'chrage', which is no step of workflow"):
        await orders.start(order(10, "book"), retries={"chrage": Retry()})
    with pytest.raises(DefinitionError, match="retries: 'charge': its retry allows 0 attempts: allow at least 1"):
        await orders.start(order(10, "book"), retries={"charge": Retry(max_attempts=0)})


async def test_the_queue_can_be_said_at_the_call(core: TestingCore, orders: wf.OrderFulfilmentClient) -> None:
    handle = await orders.start(order(7, "book"), queue="canary")
    (told,) = await handle.execution.why()
    assert (told.standing, told.queue) == ("no_worker", "canary")
    with pytest.raises(InvalidRequest, match="queue 'two words' is no name"):
        await orders.start(order(8, "book"), queue="two words")


async def test_the_contract_s_tags_and_deadline_hold_where_the_call_says_nothing(
    core: TestingCore, orders: wf.OrderFulfilmentClient
) -> None:
    handle = await orders.start(order(7, "book"))
    started = await anext(core.core.executions.history(handle.execution_id))
    assert isinstance(started.fact, ExecutionStarted)
    assert started.fact.deadline is not None
    assert started.recorded_at is not None
    assert started.fact.tags == ["orders"]
    assert started.fact.deadline.to_ns() - started.recorded_at.to_ns() == 72 * 3_600 * 10**9


async def test_a_message_of_another_type_does_not_start(orders: wf.OrderFulfilmentClient) -> None:
    with pytest.raises(TypeError, match=r"starts with shop\.v1\.Order, not with ValidOrder"):
        await orders.start(pb.ValidOrder())  # type: ignore[arg-type]  # what mypy refuses is refused at run time too


# -- what happens ----------------------------------------------------------------------------


async def test_watching_tells_all_that_happens_in_types_of_its_own(orders: wf.OrderFulfilmentClient) -> None:
    handle = await orders.start(order(7, "doubtful"))
    await handle.confirm_address.asked()
    await handle.confirm_address.approve(pb.AddressAnswer(address="work"), decided_by="Bo")
    told: list[object] = []
    async for event in handle.watch():
        match event:
            case wf.OrderFulfilmentChargeCompleted(output=receipt):
                told.append(receipt.payment_id)
            case wf.OrderFulfilmentConfirmAddressAsked(question=question, step=step_name):
                told.append((step_name, question.guess))
            case wf.OrderFulfilmentConfirmAddressAnswered(answer=answer, decided_by=by):
                told.append((answer.address, by))
            case v1.Completed(result=result):
                told.append(result)
            case _:
                pass
    shipment = pb.Shipment(tracking_id="t7", address="work")
    assert told == ["500 of 7", ("ship", "home"), ("work", "Bo"), shipment]


async def test_watching_goes_on_behind_what_was_seen(orders: wf.OrderFulfilmentClient) -> None:
    handle = await orders.start(order(7, "book"))
    await handle.result()
    events = [event async for event in handle.watch()]
    assert [event async for event in handle.watch(after_version=3)] == events[3:]


async def test_watching_tells_failures_and_what_has_no_type_of_its_own(
    core: TestingCore, orders: wf.OrderFulfilmentClient
) -> None:
    handle = await orders.start(order(7, "hiccup", "declined"))
    await core.settle()
    kinds = [type(event).__name__ async for event in handle.watch()]
    assert kinds == ["Started", "OrderFulfilmentValidateCompleted", "StepFailed", "Failed"]
    cancelled = await orders.start(order(8, "doubtful"))
    await cancelled.confirm_address.asked()
    await cancelled.cancel("changed my mind", cancelled_by="Ada")
    last = [event async for event in cancelled.watch()][-1]
    assert (type(last).__name__, getattr(last, "reason", "")) == ("Cancelled", "changed my mind")
    with pytest.raises(ExecutionFailed, match="cancelled") as raised:
        await cancelled.result()
    assert raised.value.status == "cancelled"


# -- other places ----------------------------------------------------------------------------


async def test_it_runs_in_this_process_too(implementation: Orders) -> None:
    async def approver(_: object) -> Yes:
        return Yes(response=pb.AddressAnswer(address="here"))

    done = await as_workflow(implementation).execute(order(7, "doubtful"), approver=approver)
    assert done.unwrap() == pb.Shipment(tracking_id="t7", address="here")


async def test_a_client_may_come_before_any_worker(implementation: Orders, tmp_path: Path) -> None:
    async with embedded_core(f"sqlite:///{tmp_path}/orders.db") as core:
        handle = await wf.OrderFulfilmentClient(core).start(order(7, "book"))
        worker = Worker(core, workflows=[implementation])
        working = asyncio.create_task(worker.run())
        assert await handle.result() == pb.Shipment(tracking_id="t7")
        worker.stop()
        await working


async def test_a_worker_takes_it_beside_decorated_workflows(implementation: Orders) -> None:
    @step
    async def greet(inputs: str) -> str:
        return f"hello, {inputs}"

    @workflow
    def greeting(wf: WorkflowBuilder) -> None:
        wf.timeline(greet)

    async with testing.core([greeting, implementation]) as core:
        assert await core.output(await core.start(greeting, "Ada")) == "hello, Ada"
        typed = await wf.OrderFulfilmentClient(core.core).start(order(1, "book"))
        assert await typed.result() == pb.Shipment(tracking_id="t1")


async def test_what_travels_is_protobuf_for_workers_in_any_language(
    core: TestingCore, orders: wf.OrderFulfilmentClient
) -> None:
    handle = await orders.start(order(7, "book"))
    await handle.result()
    status = await core.core.executions.status("order/7")
    packed = status.outputs["pack"]
    assert packed == Payload(encoding="protobuf:shop.v1.Parcel", data=pb.Parcel(photo=b"\x00\xff").to_bytes())
    assert from_payload(to_payload(order(7)), pb.Order) == order(7)


async def test_an_id_without_what_it_is_made_of_is_refused() -> None:
    from shop.v1 import refunds_pb
    from shop.v1.refunds_workflows import RefundClient

    client = RefundClient("localhost:1")
    with pytest.raises(InvalidRequest, match=r"RefundRequest has no order\.id, of which the execution id"):
        await client.start(refunds_pb.RefundRequest(order=refunds_pb.RefundRequest_Order()))
    with pytest.raises(InvalidRequest, match=r"has no order\.id"):
        await client.start(refunds_pb.RefundRequest())
    client.close()
