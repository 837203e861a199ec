"""Answers where an order should go, and waits until it is there: `python -m storefront.answer 7 "1 Main Street"`."""

from __future__ import annotations

import asyncio
import sys

from shop.v1 import orders_pb as pb
from shop.v1.orders_workflows import OrderFulfilmentClient


async def answer(number: int, address: str) -> None:
    async with OrderFulfilmentClient() as orders:
        handle = orders.handle(f"order/{number}")
        await handle.confirm_address.asked()
        await handle.confirm_address.approve(pb.AddressAnswer(address=address), decided_by="the customer")
        match await handle.result():
            case pb.Shipment(tracking_id=tracking_id, address=where):
                print(f"{tracking_id} is on its way to {where}")
            case pb.Backordered():
                print("it is out of stock")


if __name__ == "__main__":
    asyncio.run(answer(int(sys.argv[1]), sys.argv[2]))
