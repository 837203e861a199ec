"""Everything here must pass `mypy --strict` and pyright's strict mode."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_never, assert_type

from shop.v1 import orders_pb as pb
from shop.v1 import orders_workflows as wf
from shop.v1 import refunds_pb, refunds_workflows

from cerebelum import Context, ErrorResult, ExecutionFailed, Retry, Worker, Workflow, as_workflow, sleep, testing
from cerebelum.embedded import embedded_core
from cerebelum.generated import v1
from cerebelum_client import CerebelumClient


def show(*told: object) -> None: ...


class Orders(wf.OrderFulfilmentBase):
    def __init__(self, shelf: dict[str, int]) -> None:
        self._shelf = shelf

    async def validate(self, request: pb.Order, context: Context[pb.Order]) -> pb.ValidOrder:
        assert_type(context.inputs.order_id, int)
        if any(sku not in self._shelf for sku in request.skus):
            raise ErrorResult("out_of_stock")
        return pb.ValidOrder(order_id=request.order_id, total_cents=len(request.skus))

    async def charge(self, request: pb.ValidOrder, context: Context[pb.Order]) -> pb.Receipt:
        await sleep(timedelta(minutes=1))
        return pb.Receipt(payment_id=str(request.total_cents))

    async def review(self, request: pb.ValidOrder, context: Context[pb.Order]) -> pb.Approval:
        return pb.Approval()

    async def notify(self, request: pb.Receipt, context: Context[pb.Order]) -> None:
        await context.heartbeat()

    async def pack(self, request: pb.ValidOrder, context: Context[pb.Order]) -> pb.Parcel:
        return pb.Parcel()

    async def label(self, request: pb.Parcel, context: Context[pb.Order]) -> pb.LabelledParcel:
        return pb.LabelledParcel()

    async def ship(self, request: pb.ShipRequest, context: Context[pb.Order]) -> pb.Shipment:
        answer = await self.confirm_address(pb.AddressQuestion(guess="home"), timeout=timedelta(hours=1))
        assert_type(answer, pb.AddressAnswer)
        return pb.Shipment(address=answer.address)

    async def backorder(self, request: pb.Order, context: Context[pb.Order]) -> pb.Backordered:
        return pb.Backordered()


class Refunds(refunds_workflows.RefundBase):
    async def look(
        self, request: refunds_pb.RefundRequest, context: Context[refunds_pb.RefundRequest]
    ) -> refunds_pb.Verdict:
        assert_type(await self.sign_off(), None)
        return refunds_pb.Verdict()

    async def repay(self, request: refunds_pb.Verdict, context: Context[refunds_pb.RefundRequest]) -> refunds_pb.Repaid:
        return refunds_pb.Repaid()

    async def import_(self, context: Context[refunds_pb.RefundRequest]) -> None:
        pass


async def implement() -> None:
    await Worker("core:50051", workflows=[Orders({}), Refunds()]).run()
    assert_type(as_workflow(Orders({})), Workflow)


async def start(client: CerebelumClient) -> None:
    async with wf.OrderFulfilmentClient("core:50051") as orders:
        await orders.start(pb.Order(order_id=7))
    orders = wf.OrderFulfilmentClient(client)
    handle = await orders.start(
        pb.Order(order_id=7),
        execution_id="mine",
        deadline=timedelta(days=1),
        tags=["vip"],
        id_reuse=v1.IdReuse.ID_REUSE_REFUSE,
        queue="canary",
        retries={"charge": Retry(max_attempts=9)},
    )
    assert_type(handle, wf.OrderFulfilmentHandle)
    try:
        assert_type(await handle.result(), pb.Shipment | pb.Backordered)
    except ExecutionFailed as failed:
        show(failed.error.kind if failed.error else failed.status)
    status = await handle.status()
    assert_type(status.result, pb.Shipment | pb.Backordered | None)
    assert_type(status.outputs.charge, pb.Receipt | None)
    await handle.cancel("enough", cancelled_by="Ada", cleanup=timedelta(seconds=5))
    await handle.execution.pause()
    match await refunds_workflows.RefundClient(client).handle("refund/7").result():
        case v1.Empty():
            show("not repaid")
        case refunds_workflows.RefundOutputs(repay=repaid):
            assert_type(repaid, refunds_pb.Repaid | None)


async def answer(handle: wf.OrderFulfilmentHandle) -> None:
    assert_type(await handle.confirm_address.asked(), pb.AddressQuestion)
    assert_type(await handle.confirm_address.question(), pb.AddressQuestion | None)
    await handle.confirm_address.approve(pb.AddressAnswer(address="work"), decided_by="Bo")
    await handle.confirm_address.reject("no such street", decided_by="Bo")
    assert_type(await handle.payment_received(pb.Payment(cents=7), signal_id="1", sent_by="bank"), bool)
    await handle.hurry()


async def wait(implementation: wf.OrderFulfilmentBase) -> None:
    assert_type(await implementation.payment_received(timeout=timedelta(days=1)), pb.Payment)
    await implementation.hurry()


async def watch(handle: refunds_workflows.RefundHandle) -> None:
    async for event in handle.watch(after_version=3):
        match event:
            case v1.Started(inputs=inputs):
                assert_type(inputs, refunds_pb.RefundRequest)
            case refunds_workflows.RefundLookCompleted(output=verdict):
                assert_type(verdict, refunds_pb.Verdict)
            case refunds_workflows.RefundRepayCompleted() | refunds_workflows.RefundImportCompleted():
                show(event.at.isoformat(), event.version)
            case refunds_workflows.RefundSignOffAsked() | refunds_workflows.RefundSignOffAnswered():
                show(event.step)
            case v1.Completed(result=result):
                assert_type(result, v1.Empty | refunds_workflows.RefundOutputs)
            case v1.StepFailed(error=error) | v1.AttemptFailed(error=error) | v1.Failed(error=error):
                show(error.kind, error.message)
            case v1.Sleeping(until=until):
                show(until)
            case v1.ApprovalDenied() | v1.ApprovalExpired() | v1.Cancelled():
                show("no")
            case v1.SignalAwaited() | v1.SignalConsumed() | v1.SignalWaitExpired():
                show(event.signal)
            case v1.Other(fact=fact):
                show(type(fact).__name__)
            case _:
                assert_never(event)


async def trial() -> None:
    async with testing.core([Orders({})]) as core:
        handle = await wf.OrderFulfilmentClient(core.core).start(pb.Order(order_id=7))
        assert_type(await core.output(handle), pb.Shipment | pb.Backordered)
    async with embedded_core("sqlite:///orders.db") as here:
        await wf.OrderFulfilmentClient(here).start(pb.Order(order_id=7))
