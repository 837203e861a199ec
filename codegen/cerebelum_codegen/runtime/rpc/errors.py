"""The one error of a call, on both sides.

    RpcError        has the code that travels, and words for the one who called
    `-- Unprocessed     it certainly never reached a method, so it may be sent again, whatever it does

A server method raises an `RpcError` to refuse; a stub raises it for whatever went wrong: what the server said, a lost
connection (UNAVAILABLE), a deadline (DEADLINE_EXCEEDED).
"""

from __future__ import annotations

from grpclib.const import Status as StatusCode


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


__all__ = ["RpcError", "StatusCode", "Unprocessed"]
