"""The one error of a call, on both sides.

    RpcError        has the code that travels, and words for the one who called

A server method raises it to refuse; a stub raises it for whatever went wrong: what the server said, a lost
connection (UNAVAILABLE), a deadline (DEADLINE_EXCEEDED).
"""

from __future__ import annotations

from grpclib.const import Status as StatusCode


class RpcError(Exception):
    """A call that did not succeed, with its gRPC status code."""

    def __init__(self, code: StatusCode, message: str) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message


__all__ = ["RpcError", "StatusCode"]
