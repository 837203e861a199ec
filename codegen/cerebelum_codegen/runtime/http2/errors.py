"""What ends a connection.

    ConnectionFault     the peer broke the protocol, and cannot be understood any more

What is wrong with one stream alone is no exception: that stream is reset, and the others go on.
"""

from __future__ import annotations

from cerebelum_codegen.runtime.http2.codes import ErrorCode


class ConnectionFault(Exception):
    """The peer broke the protocol; `code` is what it is told."""

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(f"{reason} ({code.name})")
        self.code = code
