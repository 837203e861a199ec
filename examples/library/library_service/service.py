"""The service: a class for the generated base, with its state in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

from library.v1.library_grpc import LibraryServiceBase
from library.v1.library_pb import (
    LendRequest,
    LendResponse,
    LendResponse_Refusal,
    ListLoansRequest,
    ListLoansResponse,
    Loan,
)

from cerebelum_codegen.runtime import Timestamp
from cerebelum_codegen.runtime.rpc import RequestContext, RpcError, StatusCode

TWO_WEEKS = timedelta(days=14)


class Library(LibraryServiceBase):
    """Each book is lent to one reader at a time."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._loans: dict[int, Loan] = {}

    async def lend(self, request: LendRequest, context: RequestContext) -> LendResponse:
        if not request.reader:
            raise RpcError(StatusCode.INVALID_ARGUMENT, "a loan needs a reader")
        if request.book_id in self._loans:
            return LendResponse(outcome=LendResponse_Refusal(f"book {request.book_id} is out"))
        period = request.period.to_timedelta() if request.period is not None else TWO_WEEKS
        due_at = Timestamp.from_datetime(self._now() + period)
        loan = Loan(book_id=request.book_id, reader=request.reader, due_at=due_at)
        self._loans[loan.book_id] = loan
        return LendResponse(outcome=loan)

    async def list_loans(self, request: ListLoansRequest, context: RequestContext) -> AsyncIterator[ListLoansResponse]:
        for loan in self._loans.values():
            if loan.reader == request.reader:
                yield ListLoansResponse(loan=loan)
