"""`python -m library_service.lend PORT READER BOOK...`: lend books, then list what the reader has."""

from __future__ import annotations

import asyncio
import sys
from typing import assert_never

from library.v1.library_grpc import LibraryServiceStub
from library.v1.library_pb import LendRequest, LendResponse_Refusal, ListLoansRequest, Loan

from cerebelum_codegen.runtime.rpc import Channel


async def lend(port: int, reader: str, books: list[int]) -> None:
    async with Channel("127.0.0.1", port) as channel:
        library = LibraryServiceStub(channel)
        for book_id in books:
            response = await library.lend(LendRequest(reader=reader, book_id=book_id), timeout_s=5)
            match response.outcome:
                case Loan(due_at=due_at):
                    print(f"book {book_id} is due {due_at.to_datetime():%A}" if due_at else f"book {book_id} is yours")
                case LendResponse_Refusal(reason):
                    print(reason)
                case None:
                    print("the library said nothing")
                case _:
                    assert_never(response.outcome)
        held = [each.loan.book_id async for each in library.list_loans(ListLoansRequest(reader=reader)) if each.loan]
        print(f"{reader} has {held}")


if __name__ == "__main__":
    asyncio.run(lend(int(sys.argv[1]), sys.argv[2], [int(each) for each in sys.argv[3:]]))
