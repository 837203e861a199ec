"""What a connection's owner does about what HTTP/2 tells of the peer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cerebelum_codegen.runtime.http2.codes import ErrorCode, error_name
from cerebelum_codegen.runtime.http2.stream import Stream
from cerebelum_codegen.runtime.rpc.errors import Unprocessed
from cerebelum_codegen.runtime.rpc.exchange import Exchange

if TYPE_CHECKING:
    from cerebelum_codegen.runtime.rpc.connection import Link


class LinkListener:
    """Answers for one link."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def begun(self) -> None:
        """The peer speaks HTTP/2, and has said how many calls it takes."""
        self._link.patience.begun = True
        self._link.line.call_up()

    def called(self, stream: Stream) -> Exchange | None:
        """Serve a call, unless it came too late."""
        link = self._link
        return None if link.retired else link.side.called(link, stream)

    def disturbed(self, ping: bool) -> None:
        """Close on a peer that only makes noise."""
        link = self._link
        if not link.client and link.noise.heard(asyncio.get_running_loop().time(), link.http2.data_sent, ping=ping):
            link.close("too many control frames", ErrorCode.ENHANCE_YOUR_CALM)

    def left(self, last_stream: int, code: int, reason: str) -> None:
        """End the calls that the peer will not answer, and let the others end by themselves."""
        link, http2 = self._link, self._link.http2
        link.leaving = True
        for stream in list(http2.streams.values()) if link.client else ():
            if stream.id > last_stream and isinstance(stream.owner, Exchange):
                http2.close(stream)
                stream.owner.fail(Unprocessed("the server is going away"))
        link.line.close()
        if code == ErrorCode.NO_ERROR:
            link.close_when_unused()
        else:
            link.close(f"the peer closed the connection: {error_name(code)} {reason}".rstrip())

    def freed(self) -> None:
        """A call has ended, or the peer takes more of them."""
        link = self._link
        if not link.closing:
            link.patience.idle_since = asyncio.get_running_loop().time()
            link.line.call_up()
            link.close_when_unused()

    def pending(self) -> None:
        """There is something to write."""
        asyncio.get_running_loop().call_soon(self._link.flush)
