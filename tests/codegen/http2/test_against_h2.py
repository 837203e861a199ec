"""Random frames, to our receiver and to h2's: what ends a connection for one ends it for the other."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset, TrailersReceived
from h2.exceptions import ProtocolError

from cerebelum_codegen.runtime.http2.codes import PREFACE
from cerebelum_codegen.runtime.http2.connection import frame
from cerebelum_codegen.runtime.http2.errors import ConnectionFault
from cerebelum_codegen.runtime.http2.fields import write_fields
from tests.codegen.http2.side import REQUEST, Side

CALL = write_fields(REQUEST)
TRAILERS = write_fields([("x-last", "1")])


def drawn(dice: random.Random, opened: set[int]) -> tuple[int, int, int, bytes]:
    """A frame: mostly one that makes sense, sometimes spoiled."""
    if dice.random() < 0.85:
        return sensible(dice, opened)
    stream_id = dice.choice((1, 1, 1, 3, 3, 5, 0, 2))
    kind = dice.choice((0, 0, 0, 1, 1, 1, 1, 2, 3, 4, 5, 6, 8, 8, 9, 0x21))
    flags = dice.choice((0, 1, 4, 4, 5, 5))
    content = {
        0: dice.randbytes(dice.choice((0, 1, 100))),
        1: dice.choice((CALL, CALL, CALL, TRAILERS)),
        2: dice.randbytes(4) + b"\x07",
        3: (8).to_bytes(4, "big"),
        4: b"" if flags & 1 else b"\x00\x04" + dice.choice((0, 10, 1 << 16)).to_bytes(4, "big"),
        5: bytes(4) + CALL,
        6: bytes(8),
        8: dice.choice((0, 1, 1000, (1 << 31) - 1)).to_bytes(4, "big"),
        9: CALL,
    }.get(kind, b"")
    if kind in (4, 6) and dice.random() < 0.9:
        stream_id = 0
    if dice.random() < 0.03:
        content = content[:-1]
    return kind, flags, stream_id, content


def sensible(dice: random.Random, opened: set[int]) -> tuple[int, int, int, bytes]:
    """A frame that is allowed, as long as the stream that it is for goes on."""
    stream_id = dice.choice((*opened, max(opened, default=-1) + 2))
    if stream_id not in opened:
        opened.add(stream_id)
        return 1, 4, stream_id, CALL
    if dice.random() < 0.1:
        return 1, 5, stream_id, TRAILERS
    if dice.random() < 0.2:
        return dice.choice(((4, 0, 0, b""), (6, 0, 0, bytes(8)), (0x21, 0, 0, b""), (8, 0, stream_id, b"\0\0\0\1")))
    return 0, dice.choice((0, 0, 0, 1)), stream_id, dice.randbytes(dice.choice((0, 1, 100)))


@dataclass
class Heard:
    """What h2 tells of one stream."""

    data: bytes = b""
    trailers: bool = False
    ended: bool = False

    def all(self) -> tuple[bytes, bool, bool]:
        return self.data, self.trailers, self.ended


class H2:
    """h2 without opinions on headers."""

    def __init__(self) -> None:
        config = H2Configuration(client_side=False, validate_inbound_headers=False, header_encoding="latin-1")
        self.connection = H2Connection(config)
        self.connection.initiate_connection()
        self.heard: dict[int, Heard] = {}
        self.reset: set[int] = set()
        self.fault: ProtocolError | None = None

    def hear(self, data: bytes) -> None:
        try:
            events = self.connection.receive_data(data)
        except ProtocolError as error:
            self.fault = error
            return
        for event in events:
            self._note(event)

    def _note(self, event: Event) -> None:
        match event:
            case RequestReceived(stream_id=int(stream_id)):
                self.heard[stream_id] = Heard()
            case DataReceived(stream_id=int(stream_id), data=bytes(content)):
                self.heard[stream_id].data += content
            case TrailersReceived(stream_id=int(stream_id)):
                self.heard[stream_id].trailers = True
            case StreamEnded(stream_id=int(stream_id)):
                self.heard[stream_id].ended = True
            case StreamReset(stream_id=int(stream_id)):
                self.reset.add(stream_id)
            case _:
                pass


def told(side: Side, stream_id: int) -> tuple[bytes, bool, bool]:
    stream = side.streams[stream_id]
    return stream.take(stream.waiting), stream.last is not None, stream.ended


def fault_of(side: Side, data: bytes) -> ConnectionFault | None:
    try:
        side.hear(data)
    except ConnectionFault as fault:
        return fault
    return None


def tolerated(side: Side, kind: int, stream_id: int, *, ours: bool) -> bool:
    """Where h2 has another mind, and RFC 9113 is with us."""
    if ours:  # Section 6.4: a reset of what was never opened. Section 5.1: headers on what has ended. Section 6.10.
        return kind == 9 or (kind in (1, 3) and stream_id not in side.connection.streams)
    # Section 8.1: headers in the middle of a call are malformed, which is a fault of the stream. Section 6.1: bytes for
    # a stream that is not open are a fault of that one, also when its number was left out. Section 6.9: so is a window
    # that grows by nothing.
    return kind in (1, 9) or (kind in (0, 8) and stream_id not in side.connection.streams)


@pytest.mark.parametrize("seed", range(4))
def test_both_end_the_same_connections_and_hear_the_same_on_others(seed: int) -> None:
    dice, ended, compared = random.Random(seed), 0, 0
    for _ in range(400):
        ours, theirs = Side(max_streams=100), H2()
        greeting = PREFACE + frame(4, 0, 0, b"")
        ours.hear(greeting)
        theirs.hear(greeting)
        trail: list[tuple[int, int, int, bytes]] = []
        opened: set[int] = set()
        while len(trail) < 15:
            trail.append(drawn(dice, opened))
            fault = fault_of(ours, frame(*trail[-1]))
            theirs.hear(frame(*trail[-1]))
            if fault is not None or theirs.fault is not None:
                kind, _, stream_id, _ = trail[-1]
                same = (fault is None) == (theirs.fault is None)
                assert same or tolerated(ours, kind, stream_id, ours=fault is not None), (trail, fault, theirs.fault)
                ended += 1
                break
        for stream_id in set(ours.connection.streams) & set(theirs.heard):
            if theirs.fault is None and stream_id not in theirs.reset:
                assert told(ours, stream_id) == theirs.heard[stream_id].all(), trail
                compared += 1
    assert ended > 100
    assert compared > 100
