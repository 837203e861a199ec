"""What goes wrong inside, in gRPC's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cerebelum_codegen.runtime.rpc import RpcError, StatusCode
from cerebelum_core.errors import CoreError, Quarantined, StoreError, StoreRefused, UnknownBlueprint, UnknownExecution
from cerebelum_core.execution import Accepted, Answer
from cerebelum_core.names import name_fault
from cerebelum_engine import Reason, Rejected

_CODES = {
    Reason.ALREADY_EXISTS: StatusCode.ALREADY_EXISTS,
    Reason.NOT_STARTED: StatusCode.NOT_FOUND,
    Reason.ENDED: StatusCode.FAILED_PRECONDITION,
    Reason.DUPLICATE: StatusCode.FAILED_PRECONDITION,
    Reason.STALE: StatusCode.FAILED_PRECONDITION,
    Reason.NOT_DUE: StatusCode.FAILED_PRECONDITION,
    Reason.NOT_WAITING: StatusCode.FAILED_PRECONDITION,
    Reason.AMBIGUOUS: StatusCode.INVALID_ARGUMENT,
    Reason.CANCELLING: StatusCode.FAILED_PRECONDITION,
    Reason.NOT_PAUSED: StatusCode.FAILED_PRECONDITION,
    Reason.NOT_DEAD_LETTERED: StatusCode.FAILED_PRECONDITION,
    Reason.NOT_FAILED: StatusCode.FAILED_PRECONDITION,
    Reason.DISAGREES: StatusCode.FAILED_PRECONDITION,
    Reason.EXHAUSTED: StatusCode.RESOURCE_EXHAUSTED,
    Reason.INVALID: StatusCode.INVALID_ARGUMENT,
}


@contextmanager
def refusals() -> Iterator[None]:
    """Turn errors of the Core into statuses that tell the caller what to do."""
    try:
        yield
    except CoreError as error:
        refusal = refusal_of(error)
        if refusal is None:
            raise
        raise refusal from None


def refusal_of(error: Exception) -> RpcError | None:
    """An error of the Core as a status; None for one that no caller is told."""
    if isinstance(error, UnknownExecution | UnknownBlueprint):
        return RpcError(StatusCode.NOT_FOUND, str(error))
    if isinstance(error, Quarantined):
        return RpcError(StatusCode.FAILED_PRECONDITION, str(error))
    if isinstance(error, StoreRefused):
        return RpcError(StatusCode.INTERNAL, str(error))
    if isinstance(error, StoreError):
        return RpcError(StatusCode.UNAVAILABLE, str(error))
    return None


def accepted(answer: Answer) -> Accepted:
    """The answer, when it is no rejection.

    Raises:
        RpcError: the rejection, with its code.
    """
    if isinstance(answer, Rejected):
        raise refused(answer)
    return answer


def refused(rejected: Rejected) -> RpcError:
    """A rejection as a status."""
    return RpcError(_CODES[rejected.reason], rejected.message)


def require(holds: bool, message: str) -> None:
    """Refuse a request that cannot be meant.

    Raises:
        RpcError: INVALID_ARGUMENT with this message.
    """
    if not holds:
        raise RpcError(StatusCode.INVALID_ARGUMENT, message)


def require_name(what: str, name: str) -> None:
    """Refuse a name or an id that not every store can keep; none is as good as one.

    Raises:
        RpcError: INVALID_ARGUMENT that says what is wrong with it.
    """
    if fault := name_fault(what, name):
        raise RpcError(StatusCode.INVALID_ARGUMENT, fault)
