"""Each line that ends in the word must be an error of `mypy --strict`, and no other line."""

from __future__ import annotations

from shop.v1 import orders_pb as pb
from shop.v1 import orders_workflows as wf
from shop.v1.refunds_pb import RefundRequest, RefundRequest_Order, Verdict
from shop.v1.refunds_workflows import RefundBase, TidyBase

from cerebelum import Context, Worker
from cerebelum_client import CerebelumClient


class Incomplete(RefundBase):
    async def look(self, request: RefundRequest, context: Context[RefundRequest]) -> Verdict:
        assert context.inputs.no_such_field  # wrong
        return Verdict(cents="many")  # wrong


class Sloppy(RefundBase):
    async def look(self, request: pb.Order, context: Context[RefundRequest]) -> Verdict:  # wrong
        return Verdict()

    async def repay(self, request: Verdict, context: Context[RefundRequest]) -> Verdict:  # wrong
        return request

    async def import_(self, context: Context[pb.Order]) -> None:  # wrong
        pass


class Blocking(TidyBase):
    def sweep(self, context: object) -> None:  # wrong
        pass


class Asking(wf.OrderFulfilmentBase):
    async def ship(self, request: pb.ShipRequest, context: Context[pb.Order]) -> pb.Shipment:
        await self.confirm_address(pb.Order())  # wrong
        answer = await self.confirm_address(pb.AddressQuestion())
        return pb.Shipment(address=answer.street)  # wrong


async def use(client: CerebelumClient) -> None:
    Worker(client, workflows=[Incomplete()])  # wrong
    Worker(client, workflows=[wf.OrderFulfilmentClient(client)])  # wrong
    wf.OrderFulfilmentClient(7)  # wrong
    orders = wf.OrderFulfilmentClient(client)
    await orders.start(RefundRequest(order=RefundRequest_Order(id="7")))  # wrong
    await orders.start(pb.Order(), deadline="1h")  # wrong
    await orders.start(pb.Order(), id_reuse="refuse")  # wrong
    await orders.start(pb.Order(), queue=7)  # wrong
    await orders.start(pb.Order(), retries={"charge": 9})  # wrong
    await orders.start()  # wrong
    handle = await orders.start(pb.Order())
    shipment: pb.Shipment = await handle.result()  # wrong
    assert shipment is (await handle.status()).outputs.no_such_step  # wrong
    await handle.confirm_address.approve("work")  # wrong
    await handle.confirm_address.approve(pb.AddressQuestion())  # wrong
    await handle.no_such_approval.approve()  # wrong
    await handle.payment_received(pb.AddressAnswer())  # wrong
    await handle.payment_received()  # wrong
    await handle.hurry(pb.Payment())  # wrong
    async for event in handle.watch():
        match event:
            case wf.OrderFulfilmentChargeCompleted(output=receipt):
                assert receipt.no_such_field  # wrong
            case _:
                pass
