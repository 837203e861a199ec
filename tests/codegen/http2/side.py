"""One side of a connection that writes down what it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hpack import Encoder
from hyperframe.frame import Frame, SettingsFrame

from cerebelum_codegen.runtime.http2.codes import PREFACE
from cerebelum_codegen.runtime.http2.connection import Connection
from cerebelum_codegen.runtime.http2.receiving import Receiver
from cerebelum_codegen.runtime.http2.stream import Stream

REQUEST = [(":method", "POST"), (":scheme", "http"), (":path", "/a.B/C"), (":authority", "x"), ("te", "trailers")]
ANSWER = [(":status", "200"), ("content-type", "application/grpc")]
HEADERS_BYTES = 4096


@dataclass
class Owner:
    """Who is told of one stream."""

    told: list[str] = field(default_factory=list)
    broken_by: int | None = None

    def arrived(self) -> None:
        self.told.append("arrived")

    def broken(self, code: int) -> None:
        self.broken_by = code

    def widened(self) -> None:
        self.told.append("widened")


@dataclass
class Side:
    """A connection with its receiver and its listener."""

    client: bool = False
    max_streams: int = 4
    refuses: bool = False
    begins: int = 0
    noise: int = 0
    pings: int = 0
    farewells: list[tuple[int, int, str]] = field(default_factory=list)
    streams: dict[int, Stream] = field(default_factory=dict)
    owners: dict[int, Owner] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.connection = Connection(
            self, client=self.client, max_streams=self.max_streams, max_header_bytes=HEADERS_BYTES
        )
        self.receiver = Receiver(self.connection, max_header_bytes=HEADERS_BYTES)
        self.encoder = Encoder()

    # -- as its listener ---------------------------------------------------------------------

    def begun(self) -> None:
        self.begins += 1

    def called(self, stream: Stream) -> Owner | None:
        self.streams[stream.id] = stream
        self.owners[stream.id] = Owner()
        return None if self.refuses else self.owners[stream.id]

    def disturbed(self, ping: bool) -> None:
        self.noise += 1
        self.pings += ping

    def left(self, last_stream: int, code: int, reason: str) -> None:
        self.farewells.append((last_stream, code, reason))

    def freed(self) -> None: ...

    def pending(self) -> None: ...

    # -- what a test does with it ------------------------------------------------------------

    def open(self, block: bytes = b"\x83", *, end: bool = False) -> Stream:
        """Call, as a client does."""
        stream = self.connection.open()
        stream.owner = self.owners[stream.id] = Owner()
        self.connection.headers(stream, block, end)
        return stream

    def hear(self, *pieces: Frame | bytes) -> list[Any]:
        """Take what a peer sends; the frames that are to be written then."""
        self.receiver.receive(b"".join(each if isinstance(each, bytes) else each.serialize() for each in pieces))
        return frames(self.connection.take())


def begun(**options: object) -> Side:
    """A side whose peer has said its settings, and that has said its own."""
    side = Side(**options)  # type: ignore[arg-type]  # as a test gives them
    side.hear(*(() if side.client else (PREFACE,)), SettingsFrame(0))
    return side


def frames(data: bytes) -> list[Any]:
    """The frames that stand in bytes, of whatever kinds."""
    found, at = [], len(PREFACE) if data.startswith(PREFACE) else 0
    while at < len(data):
        frame, size = Frame.parse_frame_header(memoryview(data[at : at + 9]))
        frame.parse_body(memoryview(data[at + 9 : at + 9 + size]))
        found.append(frame)
        at += 9 + size
    return found
