"""What stands around the blocks of docs/workflows.md."""

from __future__ import annotations

from collections.abc import Sequence

from shop.v1 import orders_pb as pb
from shop.v1 import orders_workflows

from cerebelum import Context, ErrorResult, Worker, Workflow


async def start() -> pb.Shipment | pb.Backordered:
    # block 1
    return result


class OrderFulfilmentBase(orders_workflows.OrderFulfilmentBase):
    """The steps that the page leaves out."""

    async def charge(self, request: pb.Reservation, context: Context[pb.Order]) -> pb.Receipt:
        return pb.Receipt()

    async def notify(self, request: pb.Receipt, context: Context[pb.Order]) -> None:
        pass

    async def pack(self, request: pb.Reservation, context: Context[pb.Order]) -> pb.Parcel:
        return pb.Parcel()

    async def backorder(self, request: pb.Order, context: Context[pb.Order]) -> pb.Backordered:
        return pb.Backordered()


def in_stock(skus: Sequence[str]) -> bool:
    return "book" in skus


async def serve(some_decorated_workflow: Workflow) -> None:
    """The warehouse's worker."""
    # block 2
