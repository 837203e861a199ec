"""What is sent keeps to what the peer allows, and another implementation understands it."""

from __future__ import annotations

from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded
from hpack import Decoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    HeadersFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from cerebelum_codegen.runtime.http2.codes import LAST_STREAM, PREFACE, ErrorCode
from cerebelum_codegen.runtime.http2.connection import OUR_WINDOW_BYTES, STREAM_WINDOW_BYTES, TURN_BYTES
from cerebelum_codegen.runtime.http2.fields import write_field, write_fields
from tests.codegen.http2.side import HEADERS_BYTES, REQUEST, Side, begun, frames

CALL = write_fields(REQUEST)


def test_a_client_says_its_preface_its_settings_and_no_limit_of_streams() -> None:
    side = Side(client=True)
    data = side.connection.take()
    assert data.startswith(PREFACE)
    settings, window = frames(data)
    assert isinstance(settings, SettingsFrame)
    assert settings.settings == {2: 0, 4: STREAM_WINDOW_BYTES, 6: HEADERS_BYTES}
    assert window.window_increment == OUR_WINDOW_BYTES - 65_535


def test_a_server_tells_how_many_streams_it_takes() -> None:
    settings, _ = frames(Side(max_streams=9).connection.take())
    assert settings.settings[3] == 9


def test_a_connection_whose_numbers_are_used_up_takes_no_further_call() -> None:
    side = begun(client=True)
    side.connection.next_id = LAST_STREAM
    assert side.open(CALL).id == LAST_STREAM
    assert side.farewells == [(LAST_STREAM, 0, "no number is left for another stream")]


def test_large_headers_go_in_parts_that_belong_together() -> None:
    side = begun(client=True)
    block = CALL + write_field("x-large", "a" * 40_000)
    side.open(block, end=True)
    first, *rest = frames(side.connection.take())
    assert isinstance(first, HeadersFrame)
    assert "END_STREAM" in first.flags
    assert [isinstance(each, ContinuationFrame) for each in rest] == [True, True]
    assert ["END_HEADERS" in each.flags for each in (first, *rest)] == [False, False, True]
    assert b"".join(each.data for each in (first, *rest)) == block


def test_data_goes_in_frames_that_the_peer_takes() -> None:
    side = begun(client=True)
    side.hear(SettingsFrame(0, settings={4: 1 << 20}), WindowUpdateFrame(0, 1 << 20))
    stream = side.open(CALL)
    side.connection.take()
    side.connection.data(stream, bytes(40_000), True)
    sent = frames(side.connection.take())
    assert [len(each.data) for each in sent] == [16_384, 16_384, 7_232]
    assert ["END_STREAM" in each.flags for each in sent] == [False, False, True]


def test_room_is_what_both_windows_leave_and_grows_when_either_does() -> None:
    side = begun(client=True)
    first, second = side.open(CALL), side.open(CALL)
    side.connection.data(first, bytes(60_000), False)
    assert (side.connection.sendable(first), side.connection.sendable(second)) == (5_535, 5_535)
    side.hear(WindowUpdateFrame(0, 100_000))
    assert (side.connection.sendable(first), side.connection.sendable(second)) == (5_535, 65_535)
    side.hear(SettingsFrame(0, settings={4: 10}))
    assert (side.connection.sendable(first), side.connection.sendable(second)) == (-59_990, 10)
    side.hear(WindowUpdateFrame(1, 70_000))
    assert side.connection.sendable(first) == 10_010
    assert side.owners[1].told.count("widened") == side.owners[3].told.count("widened") + 1


def test_nothing_is_sendable_while_the_transport_is_full() -> None:
    side = begun(client=True)
    stream = side.open(CALL)
    side.connection.held = True
    assert side.connection.sendable(stream) == 0


def test_what_is_sent_in_one_turn_has_an_end_however_much_the_peer_would_take() -> None:
    side = begun(client=True)
    side.hear(SettingsFrame(0, settings={4: (1 << 31) - 1}), WindowUpdateFrame(0, 1 << 30))
    first, second = side.open(CALL), side.open(CALL)
    assert side.connection.sendable(first) == TURN_BYTES
    side.connection.data(first, bytes(TURN_BYTES), False)
    assert (side.connection.sendable(first), side.connection.sendable(second)) == (0, 0)
    side.connection.take()
    assert side.connection.sendable(second) == TURN_BYTES


def test_a_peer_without_a_table_is_told_that_none_is_used() -> None:
    side = begun(client=True)
    side.hear(SettingsFrame(0, settings={1: 0}))
    side.open(CALL)
    side.open(CALL)
    first, second = (each.data for each in frames(side.connection.take()) if isinstance(each, HeadersFrame))
    decoder = Decoder()
    decoder.max_allowed_table_size = 0
    for block in (first, second):
        assert [(name.decode(), value.decode()) for name, value in decoder.decode(block, raw=True)] == REQUEST
    assert decoder.header_table_size == 0


def test_room_is_granted_anew_in_halves_of_a_window() -> None:
    side = begun()
    side.hear(HeadersFrame(1, CALL, flags=["END_HEADERS"]))
    stream = side.streams[1]
    half = STREAM_WINDOW_BYTES // 2
    side.connection.grant(stream, half - 1)
    assert side.connection.take() == b""
    side.connection.grant(stream, 1)
    sent = frames(side.connection.take())
    assert [(each.stream_id, each.window_increment) for each in sent] == [(1, half)]


def test_a_stream_that_has_ended_needs_no_room() -> None:
    side = begun()
    side.hear(HeadersFrame(1, CALL, flags=["END_HEADERS", "END_STREAM"]))
    side.connection.grant(side.streams[1], STREAM_WINDOW_BYTES)
    assert side.connection.take() == b""


def test_a_stream_is_closed_when_both_have_said_all() -> None:
    side = begun()
    side.hear(HeadersFrame(1, CALL, flags=["END_HEADERS", "END_STREAM"]))
    stream = side.streams[1]
    side.connection.data(stream, b"abc", False)
    assert not stream.closed
    side.connection.headers(stream, b"\x88", True)
    assert (stream.closed, side.connection.streams) == (True, {})


def test_the_listener_is_told_once_that_there_is_something_to_write() -> None:
    told: list[int] = []
    side = begun()
    side.pending = lambda: told.append(1)  # type: ignore[method-assign]  # to count
    side.connection.ping(bytes(8))
    side.connection.ping(bytes(8))
    assert len(told) == 1
    side.connection.take()
    side.connection.ping(bytes(8))
    assert len(told) == 2


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 50_000])
def test_h2_reads_a_call_as_it_was_meant(size: int) -> None:
    side, peer = Side(client=True), H2Connection(H2Configuration(client_side=False))
    peer.initiate_connection()
    side.hear(peer.data_to_send())
    stream = side.open(CALL)
    side.connection.data(stream, bytes(size), True)
    refused = side.open(CALL)
    side.connection.reset(refused, ErrorCode.CANCEL)
    events = peer.receive_data(b"".join(each.serialize() for each in _all(side)))
    (request, *_) = [each for each in events if isinstance(each, RequestReceived)]
    assert [(name.decode(), value.decode()) for name, value in request.headers] == REQUEST
    assert sum(len(each.data) for each in events if isinstance(each, DataReceived)) == size
    assert [each.stream_id for each in events if isinstance(each, StreamEnded)] == [1]


def _all(side: Side) -> list[Any]:
    data = side.connection.take()
    found = frames(data)
    assert any(isinstance(each, DataFrame) for each in found)
    assert any(isinstance(each, RstStreamFrame) for each in found)
    return [_Preface(), *found]


class _Preface:
    def serialize(self) -> bytes:
        return PREFACE
