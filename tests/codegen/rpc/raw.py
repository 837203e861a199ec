"""A peer that does not behave: HTTP/2 by hand, over a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, Event, StreamEnded, StreamReset
from hyperframe.frame import Frame

from cerebelum_codegen.runtime.rpc import Retry

SOME_TIME_S = 30.0
"""A bound on every wait, not an expectation."""
QUICK = Retry(first_pause_s=0.001, longest_pause_s=0.002)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
REQUEST = {
    ":method": "POST",
    ":scheme": "http",
    ":path": "/trial.Calls/Ask",
    ":authority": "raw",
    "te": "trailers",
    "content-type": "application/grpc",
}


@dataclass
class Raw:
    """One connection to a server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    http2: H2Connection
    seen: list[Event] = field(default_factory=list)

    def send(self, *pieces: bytes | Frame) -> None:
        """Write what h2 has prepared, then these."""
        self.writer.write(self.http2.data_to_send())
        for piece in pieces:
            self.writer.write(piece if isinstance(piece, bytes) else piece.serialize())

    def request(self, end: bool = False, **changes: str | None) -> int:
        """The headers of a call, some of them changed: `path` stands for `:path`."""
        stream_id = self.http2.get_next_available_stream_id()
        wanted = REQUEST | {name if name in ("te",) else _header(name): value for name, value in changes.items()}
        self.http2.send_headers(stream_id, [(k, v) for k, v in wanted.items() if v is not None], end_stream=end)
        self.send()
        return stream_id

    def data(self, stream_id: int, data: bytes, end: bool = False) -> None:
        self.http2.send_data(stream_id, data, end_stream=end)
        self.send()

    async def hear(self) -> list[Event]:
        """What comes next; nothing when the server has closed."""
        async with asyncio.timeout(SOME_TIME_S):
            data = await self.reader.read(65536)
        events = self.http2.receive_data(data) if data else []
        for event in events:
            if isinstance(event, DataReceived) and event.flow_controlled_length:
                self.http2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        self.send()
        self.seen += events
        return events if data else [ConnectionTerminated()]

    async def answer(self, stream_id: int) -> dict[str, str]:
        """All headers and trailers with which a call ends."""
        found: dict[str, str] = {}
        while True:
            for event in await self.hear():
                if isinstance(event, ConnectionTerminated):
                    raise ConnectionResetError("the server closed the connection")
                if getattr(event, "stream_id", None) == stream_id:
                    found |= {k.decode(): v.decode() for k, v in getattr(event, "headers", None) or ()}
                    if isinstance(event, StreamEnded):
                        return found
                    if isinstance(event, StreamReset):
                        return found | {"reset": str(int(event.error_code))}

    async def closed(self) -> None:
        """Wait until the server has closed the connection, whatever it says before."""
        async with asyncio.timeout(SOME_TIME_S):
            try:
                while await self.reader.read(65536):
                    pass
            except ConnectionError:
                return


def _header(name: str) -> str:
    name = name.replace("_", "-")
    return f":{name}" if f":{name}" in REQUEST else name


@asynccontextmanager
async def raw(port: int, *, speaks: bool = True) -> AsyncIterator[Raw]:
    """A connection; unless it `speaks`, it has not said a word."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    config = H2Configuration(
        client_side=True,
        validate_outbound_headers=False,
        normalize_outbound_headers=False,
        validate_inbound_headers=False,
    )
    peer = Raw(reader, writer, H2Connection(config))
    if speaks:
        peer.http2.initiate_connection()
        peer.send()
    try:
        yield peer
    finally:
        writer.transport.abort()


def framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message
