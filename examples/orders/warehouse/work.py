"""The service that implements orders. Run it with `cerebelum worker warehouse.work`."""

from __future__ import annotations

from datetime import timedelta

from shop.v1 import orders_pb as pb
from shop.v1.orders_workflows import OrderFulfilmentBase

from cerebelum import Context, ErrorResult, sleep

GLUE_DRIES = timedelta(seconds=1)
PRICES = {"book": 1_200, "pen": 300}


class CardDeclined(Exception):
    """The bank says no. The contract names it: such a failure is not tried again."""


class Warehouse(OrderFulfilmentBase):
    """Everything between the shelf and the carrier."""

    async def reserve(self, request: pb.Order, context: Context[pb.Order]) -> pb.Reservation:
        if any(sku not in PRICES for sku in request.skus):
            raise ErrorResult("out_of_stock")
        total = sum(PRICES[sku] for sku in request.skus)
        return pb.Reservation(order_id=request.order_id, total_cents=total)

    async def charge(self, request: pb.Reservation, context: Context[pb.Order]) -> pb.Receipt:
        if request.total_cents > 100_000:
            raise CardDeclined(f"{request.total_cents} cents are too much")
        return pb.Receipt(payment_id=f"pay-{request.order_id}-{request.total_cents}")

    async def notify(self, request: pb.Receipt, context: Context[pb.Order]) -> None:
        print(f"order {context.inputs.order_id} is paid: {request.payment_id}", flush=True)

    async def pack(self, request: pb.Reservation, context: Context[pb.Order]) -> pb.Parcel:
        await sleep(GLUE_DRIES)
        return pb.Parcel(weight_kg=0.4 * len(context.inputs.skus))

    async def ship(self, request: pb.ShipRequest, context: Context[pb.Order]) -> pb.Shipment:
        question = pb.AddressQuestion(order_id=context.inputs.order_id, last_address="12 Hay Lane")
        answer = await self.confirm_address(question)
        return pb.Shipment(tracking_id=f"track-{context.inputs.order_id}", address=answer.address)

    async def backorder(self, request: pb.Order, context: Context[pb.Order]) -> pb.Backordered:
        return pb.Backordered(order_id=request.order_id)


WAREHOUSE = Warehouse()
