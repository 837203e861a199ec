"""Orders as a team implements them."""

from __future__ import annotations

from shop.v1 import orders_pb as pb
from shop.v1.orders_workflows import OrderFulfilmentBase

from cerebelum import Context, ErrorResult

Told = Context[pb.Order]


class CardDeclined(Exception):
    """What the bank says, whose name stands in the contract."""


class Orders(OrderFulfilmentBase):
    """In stock is what an order names; a card is declined for sku `declined`."""

    def __init__(self, cents: int = 500) -> None:
        self.cents = cents
        self.tries = 0
        self.shipped: list[pb.ShipRequest] = []

    async def validate(self, request: pb.Order, context: Told) -> pb.ValidOrder:
        if not request.skus:
            raise ErrorResult("out_of_stock")
        return pb.ValidOrder(order_id=request.order_id, total_cents=self.cents)

    async def charge(self, request: pb.ValidOrder, context: Told) -> pb.Receipt:
        self.tries += 1
        if "declined" in context.inputs.skus:
            raise CardDeclined("no money left")
        if "hiccup" in context.inputs.skus and context.attempt < 3:
            raise ConnectionError("the bank is away")
        return pb.Receipt(payment_id=f"{request.total_cents} of {request.order_id}")

    async def review(self, request: pb.ValidOrder, context: Told) -> pb.Approval:
        return pb.Approval(by="Ada")

    async def notify(self, request: pb.Receipt, context: Told) -> None:
        pass

    async def pack(self, request: pb.ValidOrder, context: Told) -> pb.Parcel:
        return pb.Parcel(photo=b"\x00\xff")

    async def label(self, request: pb.Parcel, context: Told) -> pb.LabelledParcel:
        return pb.LabelledParcel(label=request.photo.hex())

    async def ship(self, request: pb.ShipRequest, context: Told) -> pb.Shipment:
        question = pb.AddressQuestion(order_id=context.inputs.order_id, guess="home")
        if "on_account" in context.inputs.skus:
            await self.hurry()
            payment = await self.payment_received()
            return pb.Shipment(tracking_id=payment.reference, address=f"{payment.cents} cents")
        answer = await self.confirm_address(question) if "doubtful" in context.inputs.skus else pb.AddressAnswer()
        if "twice" in context.inputs.skus:
            await self.confirm_address(question)
            answer = await self.confirm_address(pb.AddressQuestion(order_id=question.order_id, guess="work"))
        self.shipped.append(request)
        return pb.Shipment(tracking_id=f"t{context.inputs.order_id}", address=answer.address)

    async def backorder(self, request: pb.Order, context: Told) -> pb.Backordered:
        return pb.Backordered(order_id=request.order_id)


def order(number: int, *skus: str, kind: pb.Kind = pb.Kind.KIND_UNSPECIFIED) -> pb.Order:
    return pb.Order(order_id=number, skus=list(skus), kind=kind)
