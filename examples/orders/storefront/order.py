"""Starts an order and tells what happens, until somebody has to answer: `python -m storefront.order 7 book pen`."""

from __future__ import annotations

import asyncio
import sys

from shop.v1 import orders_pb as pb
from shop.v1 import orders_workflows as wf


async def order(number: int, skus: list[str]) -> None:
    async with wf.OrderFulfilmentClient() as orders:
        handle = await orders.start(pb.Order(order_id=number, skus=skus))
        print(f"started {handle.execution_id}", flush=True)
        async for event in handle.watch():
            match event:
                case wf.OrderFulfilmentChargeCompleted(output=receipt):
                    print(f"paid: {receipt.payment_id}", flush=True)
                case wf.OrderFulfilmentPackCompleted(output=parcel):
                    print(f"packed: {parcel.weight_kg} kg", flush=True)
                case wf.OrderFulfilmentBackorderCompleted():
                    print("it is out of stock, and on the list", flush=True)
                case wf.OrderFulfilmentConfirmAddressAsked(question=question):
                    print(f"is {question.last_address} right? python -m storefront.answer {number} ADDRESS", flush=True)
                    return
                case _:
                    pass


if __name__ == "__main__":
    asyncio.run(order(int(sys.argv[1]), sys.argv[2:]))
