"""The one error of a call, on both sides; and how a server learns that nobody waits.

    RpcError        has the code that travels, and words for the one who called
    `-- Unprocessed     it certainly never reached a method, so it may be sent again, whatever it does
    CallerGone      what a server's own sending ends with when its caller has left

A server method raises an `RpcError` to refuse; a stub raises it for whatever went wrong: what the server said, a lost
connection (UNAVAILABLE), a deadline (DEADLINE_EXCEEDED).
"""

from __future__ import annotations

from enum import Enum


class StatusCode(Enum):
    """How a call ended, by the numbers of gRPC."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class RpcError(Exception):
    """A call that did not succeed, with its gRPC status code."""

    def __init__(self, code: StatusCode, message: str, *, details: bytes = b"") -> None:
        """`details` is a serialized `google.rpc.Status` that says more; it travels as it is."""
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message
        self.details = details


class Unprocessed(RpcError):
    """A call that the server did not begin to work on, and says so."""

    def __init__(self, reason: str) -> None:
        super().__init__(StatusCode.UNAVAILABLE, reason)


class CallerGone(Exception):
    """Whoever called does not listen any more; nobody needs to be told."""
