"""RFC 9113, rule by rule: what ends a connection, what ends a stream, what is passed over."""

from __future__ import annotations

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from cerebelum_codegen.runtime.http2.codes import PREFACE, ErrorCode
from cerebelum_codegen.runtime.http2.connection import OUR_WINDOW_BYTES, STREAM_WINDOW_BYTES, UNTOLD_STREAMS, frame
from cerebelum_codegen.runtime.http2.errors import ConnectionFault
from cerebelum_codegen.runtime.http2.fields import write_field, write_fields
from tests.codegen.http2.side import ANSWER, REQUEST, Side, begun

CALL = write_fields(REQUEST)
ANSWERED = write_fields(ANSWER)
TRAILERS = write_fields([("grpc-status", "0")])
LARGEST = (1 << 31) - 1


def headers(stream_id: int, block: bytes = CALL, *flags: str) -> HeadersFrame:
    return HeadersFrame(stream_id, block, flags=["END_HEADERS", *flags])


def settings(key: int, value: int) -> SettingsFrame:
    return SettingsFrame(0, settings={key: value})


def whole(stream_id: int, data: bytes = b"abc") -> tuple[Frame, Frame]:
    """A call that has said all."""
    return headers(stream_id), DataFrame(stream_id, data, flags=["END_STREAM"])


# -- what ends a connection --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pieces", "code"),
    [
        ([frame(0, 0, 0, b"x")], ErrorCode.PROTOCOL_ERROR),
        ([DataFrame(1, b"x")], ErrorCode.PROTOCOL_ERROR),
        ([headers(1), DataFrame(3, b"x")], ErrorCode.PROTOCOL_ERROR),
        ([headers(1), DataFrame(2, b"x")], ErrorCode.PROTOCOL_ERROR),
        ([headers(1), frame(0, 0x8, 1, b"")], ErrorCode.FRAME_SIZE_ERROR),
        ([headers(1), frame(0, 0x8, 1, b"\x05abc")], ErrorCode.PROTOCOL_ERROR),
        ([frame(1, 0x4, 0, CALL)], ErrorCode.PROTOCOL_ERROR),
        ([headers(2)], ErrorCode.PROTOCOL_ERROR),
        ([headers(3), headers(1)], ErrorCode.PROTOCOL_ERROR),
        ([frame(1, 0xC, 1, b"\x09abc")], ErrorCode.PROTOCOL_ERROR),
        ([frame(1, 0x24, 1, b"1234")], ErrorCode.FRAME_SIZE_ERROR),
        ([headers(1, b"\xff\xff\xff\xff")], ErrorCode.COMPRESSION_ERROR),
        ([headers(1, b"\x00\x05ab")], ErrorCode.COMPRESSION_ERROR),
        ([headers(1, write_field("x", "a" * 5_000))], ErrorCode.ENHANCE_YOUR_CALM),
        ([ContinuationFrame(1, b"")], ErrorCode.PROTOCOL_ERROR),
        ([HeadersFrame(1, CALL), PingFrame(0, bytes(8))], ErrorCode.PROTOCOL_ERROR),
        ([HeadersFrame(1, CALL), ContinuationFrame(3, b"")], ErrorCode.PROTOCOL_ERROR),
        ([HeadersFrame(1, CALL), *[ContinuationFrame(1, b"")] * 70], ErrorCode.ENHANCE_YOUR_CALM),
        ([HeadersFrame(1, CALL), *[ContinuationFrame(1, bytes(2_000))] * 3], ErrorCode.ENHANCE_YOUR_CALM),
        ([frame(2, 0, 0, bytes(5))], ErrorCode.PROTOCOL_ERROR),
        ([frame(2, 0, 1, bytes(4))], ErrorCode.FRAME_SIZE_ERROR),
        ([frame(3, 0, 0, bytes(4))], ErrorCode.PROTOCOL_ERROR),
        ([frame(3, 0, 1, bytes(4))], ErrorCode.PROTOCOL_ERROR),
        ([headers(1), frame(3, 0, 1, bytes(3))], ErrorCode.FRAME_SIZE_ERROR),
        ([frame(4, 0, 1, b"")], ErrorCode.PROTOCOL_ERROR),
        ([frame(4, 0, 0, bytes(5))], ErrorCode.FRAME_SIZE_ERROR),
        ([frame(4, 1, 0, bytes(6))], ErrorCode.FRAME_SIZE_ERROR),
        ([settings(2, 2)], ErrorCode.PROTOCOL_ERROR),
        ([settings(4, 1 << 31)], ErrorCode.FLOW_CONTROL_ERROR),
        ([settings(5, 16_383)], ErrorCode.PROTOCOL_ERROR),
        ([settings(5, 1 << 24)], ErrorCode.PROTOCOL_ERROR),
        ([frame(5, 0x4, 1, bytes(4) + CALL)], ErrorCode.PROTOCOL_ERROR),
        ([frame(6, 0, 1, bytes(8))], ErrorCode.PROTOCOL_ERROR),
        ([frame(6, 0, 0, bytes(7))], ErrorCode.FRAME_SIZE_ERROR),
        ([frame(7, 0, 1, bytes(8))], ErrorCode.PROTOCOL_ERROR),
        ([frame(7, 0, 0, bytes(7))], ErrorCode.FRAME_SIZE_ERROR),
        ([frame(8, 0, 0, bytes(3))], ErrorCode.FRAME_SIZE_ERROR),
        ([frame(8, 0, 0, bytes(4))], ErrorCode.PROTOCOL_ERROR),
        ([WindowUpdateFrame(0, LARGEST)], ErrorCode.FLOW_CONTROL_ERROR),
        ([WindowUpdateFrame(1, 1)], ErrorCode.PROTOCOL_ERROR),
        ([headers(1), WindowUpdateFrame(1, 1 << 30), settings(4, LARGEST)], ErrorCode.FLOW_CONTROL_ERROR),
        ([b"\x00\x40\x01" + bytes(6)], ErrorCode.FRAME_SIZE_ERROR),
    ],
)
def test_a_broken_rule_of_the_connection_ends_it(pieces: list[Frame | bytes], code: ErrorCode) -> None:
    with pytest.raises(ConnectionFault) as fault:
        begun().hear(*pieces)
    assert fault.value.code is code


@pytest.mark.parametrize(
    "words",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        PREFACE[:-1] + b"x",
        PREFACE + PingFrame(0, bytes(8)).serialize(),
        PREFACE + headers(1).serialize(),
        PREFACE + SettingsFrame(0, flags=["ACK"]).serialize(),
    ],
)
def test_a_connection_begins_with_its_preface_and_settings(words: bytes) -> None:
    side = Side()

    def heard_byte_by_byte() -> None:
        for at in range(len(words)):
            side.hear(words[at : at + 1])

    with pytest.raises(ConnectionFault) as fault:
        heard_byte_by_byte()
    assert (fault.value.code, side.begins) == (ErrorCode.PROTOCOL_ERROR, 0)


def test_a_frame_is_refused_by_its_announcement_alone() -> None:
    side = begun()
    with pytest.raises(ConnectionFault):
        side.hear(b"\xff\xff\xff" + bytes(6))


def test_a_stream_that_nobody_reads_takes_no_room_from_the_others() -> None:
    side = begun(max_streams=1_000)
    granted = 0
    for stream_id in range(1, 41, 2):
        side.hear(headers(stream_id))
        for _ in range(STREAM_WINDOW_BYTES // 16_384):
            answered = side.hear(DataFrame(stream_id, bytes(16_384)))
            granted += sum(each.window_increment for each in answered if each.stream_id == 0)
    assert granted > 20 * STREAM_WINDOW_BYTES - OUR_WINDOW_BYTES
    (answered,) = side.hear(DataFrame(1, b"x"))
    assert (answered.stream_id, answered.error_code) == (1, ErrorCode.FLOW_CONTROL_ERROR)


# -- what ends a stream ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pieces", "code"),
    [
        ([headers(1, write_fields([("Upper", "a")]))], ErrorCode.PROTOCOL_ERROR),
        ([headers(1, write_fields([*REQUEST, ("connection", "close")]))], ErrorCode.PROTOCOL_ERROR),
        ([headers(1, write_fields([("a", "b"), *REQUEST]))], ErrorCode.PROTOCOL_ERROR),
        ([headers(1), headers(1, TRAILERS)], ErrorCode.PROTOCOL_ERROR),
        ([headers(1), headers(1, CALL, "END_STREAM")], ErrorCode.PROTOCOL_ERROR),
        ([*whole(1), DataFrame(1, b"x")], ErrorCode.STREAM_CLOSED),
        ([*whole(1), headers(1, TRAILERS, "END_STREAM")], ErrorCode.STREAM_CLOSED),
        ([headers(1), frame(8, 0, 1, bytes(4))], ErrorCode.PROTOCOL_ERROR),
        ([headers(1), WindowUpdateFrame(1, LARGEST)], ErrorCode.FLOW_CONTROL_ERROR),
    ],
)
def test_a_broken_rule_of_a_stream_ends_that_one_alone(pieces: list[Frame | bytes], code: ErrorCode) -> None:
    side = begun()
    answered = side.hear(*pieces, headers(3))
    assert [(each.stream_id, each.error_code) for each in answered if isinstance(each, RstStreamFrame)] == [(1, code)]
    assert 1 not in side.connection.streams
    assert 3 in side.connection.streams
    if 1 in side.owners:
        assert side.owners[1].broken_by == code


def test_a_stream_too_many_is_refused_and_counts_as_noise() -> None:
    side = begun(max_streams=2)
    before = side.noise
    answered = side.hear(*(headers(stream_id) for stream_id in (1, 3, 5)))
    assert [(each.stream_id, each.error_code) for each in answered] == [(5, ErrorCode.REFUSED_STREAM)]
    assert (sorted(side.connection.streams), side.noise) == ([1, 3], before + 1)


def test_a_call_that_nobody_takes_is_refused() -> None:
    (answered,) = begun(refuses=True).hear(headers(1))
    assert (answered.stream_id, answered.error_code) == (1, ErrorCode.REFUSED_STREAM)


def test_what_comes_for_a_stream_that_was_reset_here_is_passed_over_and_given_room_for() -> None:
    side = begun()
    side.hear(headers(1))
    side.connection.reset(side.streams[1], ErrorCode.NO_ERROR)
    side.connection.take()
    half = [DataFrame(1, bytes(16_384))] * (OUR_WINDOW_BYTES // 2 // 16_384)
    (answered,) = side.hear(WindowUpdateFrame(1, 5), RstStreamFrame(1), *half, headers(1, TRAILERS, "END_STREAM"))
    assert (answered.stream_id, answered.window_increment) == (0, OUR_WINDOW_BYTES // 2)


def test_what_comes_for_a_stream_that_ended_well_is_told_so() -> None:
    side = begun()
    side.hear(*whole(1))
    side.connection.headers(side.streams[1], ANSWERED, True)
    side.connection.take()
    answered = side.hear(WindowUpdateFrame(1, 5), RstStreamFrame(1), DataFrame(1, b"x"), DataFrame(1, b"x"))
    assert [(each.stream_id, each.error_code) for each in answered] == [(1, ErrorCode.STREAM_CLOSED)]


def test_a_reset_tells_the_owner_why() -> None:
    side = begun()
    assert side.hear(headers(1), RstStreamFrame(1, error_code=8)) == []
    assert (side.owners[1].broken_by, side.streams[1].closed) == (8, True)


# -- what is taken -----------------------------------------------------------------------------


def test_a_call_arrives_whole_however_it_is_cut() -> None:
    pieces = [
        PREFACE,
        SettingsFrame(0).serialize(),
        HeadersFrame(1, CALL[:3], flags=["PADDED", "PRIORITY"], pad_length=7).serialize(),
        ContinuationFrame(1, CALL[3:5]).serialize(),
        ContinuationFrame(1, CALL[5:], flags=["END_HEADERS"]).serialize(),
        DataFrame(1, b"abc", flags=["PADDED"], pad_length=3).serialize(),
        (6).to_bytes(3, "big") + b"\x21" + bytes(5) + b"grease",
        DataFrame(1, b"def").serialize(),
        headers(1, TRAILERS, "END_STREAM").serialize(),
    ]
    for size in (1, 2, 9, 10, 1_000):
        side, data = Side(), b"".join(pieces)
        for at in range(0, len(data), size):
            side.hear(data[at : at + size])
        stream = side.streams[1]
        assert stream.first is not None
        assert stream.last is not None
        assert (stream.first.pairs, stream.last.pairs) == (tuple(REQUEST), (("grpc-status", "0"),))
        assert (stream.take(6), stream.ended, stream.closed, side.begins) == (b"abcdef", True, False, 1)


def test_settings_and_pings_are_answered() -> None:
    side = begun()
    answered = side.hear(SettingsFrame(0, settings={3: 7, 5: 20_000, 99: 1}), PingFrame(0, b"12345678"))
    assert [type(each) for each in answered] == [SettingsFrame, PingFrame]
    assert all("ACK" in each.flags for each in answered)
    assert answered[1].opaque_data == b"12345678"
    assert (side.connection.peer_max_streams, side.connection.frame_bytes, side.pings) == (7, 20_000, 1)
    assert side.hear(PingFrame(0, bytes(8), flags=["ACK"]), SettingsFrame(0, flags=["ACK"])) == []


def test_a_farewell_is_told() -> None:
    side = begun()
    side.hear(GoAwayFrame(0, last_stream_id=5, error_code=2, additional_data=b"why"))
    assert side.farewells == [(5, 2, "why")]


@pytest.mark.parametrize(
    "pieces",
    [
        [DataFrame(1, b"")],
        [PriorityFrame(1, depends_on=3)],
        [frame(0x10, 0, 0, bytes(8))],
        [SettingsFrame(0)],
        [SettingsFrame(0, flags=["ACK"])],
        [PingFrame(0, bytes(8), flags=["ACK"])],
        [RstStreamFrame(1)],
    ],
    ids=["empty data", "priority", "unknown", "settings", "settings obeyed", "ping answered", "reset"],
)
def test_what_costs_nothing_to_send_is_counted(pieces: list[Frame | bytes]) -> None:
    side = begun()
    side.hear(headers(1))
    before = side.noise
    side.hear(*pieces)
    assert side.noise == before + 1


def test_the_last_of_many_windows_in_one_frame_is_the_one_that_counts() -> None:
    side = begun()
    side.hear(headers(1), WindowUpdateFrame(1, 1))
    side.hear(frame(4, 0, 0, b"\x00\x04\x7f\xff\xff\xff" + b"\x00\x04\x00\x00\x00\x07"))
    assert side.streams[1].room == 8


def test_a_window_that_nobody_waits_for_wakes_nobody() -> None:
    side = begun()
    side.hear(headers(1))
    side.hear(*[WindowUpdateFrame(0, 1)] * 100)
    assert side.owners[1].told == []


def test_a_receiver_that_was_stopped_hears_nothing_of_what_is_left() -> None:
    side = begun()
    side.left = lambda *_: side.receiver.stop()  # type: ignore[method-assign]  # as a link does
    assert side.hear(GoAwayFrame(0), PingFrame(0, bytes(8))) == []


# -- the client's side -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pieces", "code"),
    [
        ([headers(2, ANSWERED)], ErrorCode.PROTOCOL_ERROR),
        ([headers(3, ANSWERED)], ErrorCode.PROTOCOL_ERROR),
        ([DataFrame(3, b"x")], ErrorCode.PROTOCOL_ERROR),
        ([frame(5, 0x4, 1, bytes(4) + CALL)], ErrorCode.PROTOCOL_ERROR),
        ([settings(2, 1)], ErrorCode.PROTOCOL_ERROR),
    ],
)
def test_a_server_that_breaks_the_rules_is_left(pieces: list[Frame | bytes], code: ErrorCode) -> None:
    side = begun(client=True)
    side.open(CALL)
    with pytest.raises(ConnectionFault) as fault:
        side.hear(*pieces)
    assert fault.value.code is code


@pytest.mark.parametrize(
    "pieces",
    [
        [DataFrame(1, b"before its headers")],
        [headers(1, write_fields([(":status", "100")]), "END_STREAM")],
        [headers(1, ANSWERED), headers(1, TRAILERS)],
        [headers(1, ANSWERED), headers(1, ANSWERED, "END_STREAM")],
        [headers(1, write_fields([(":status", "200"), ("Upper", "x")]))],
    ],
)
def test_an_answer_that_breaks_the_rules_ends_its_call_alone(pieces: list[Frame | bytes]) -> None:
    side = begun(client=True)
    side.open(CALL, end=True)
    other = side.open(CALL, end=True)
    side.connection.take()
    (answered,) = side.hear(*pieces)
    assert (answered.stream_id, answered.error_code) == (1, ErrorCode.PROTOCOL_ERROR)
    assert side.owners[1].broken_by == ErrorCode.PROTOCOL_ERROR
    assert not other.closed


def test_answers_to_calls_that_were_given_up_long_ago_are_passed_over() -> None:
    side = begun(client=True)
    for _ in range(1_500):
        side.connection.reset(side.open(CALL, end=True), ErrorCode.CANCEL)
    waiting = side.open(CALL, end=True)
    side.hear(headers(1, ANSWERED), DataFrame(1, b"late"), headers(1, TRAILERS, "END_STREAM"))
    side.hear(headers(waiting.id, ANSWERED))
    assert waiting.first is not None


def test_a_server_s_limit_of_calls_is_not_known_before_its_settings() -> None:
    side = Side(client=True)
    assert side.connection.peer_max_streams == UNTOLD_STREAMS
    side.hear(SettingsFrame(0))
    assert side.connection.peer_max_streams > 1 << 30


def test_an_answer_that_is_announced_first_comes_later() -> None:
    side = begun(client=True)
    stream = side.open(CALL, end=True)
    side.hear(headers(1, write_fields([(":status", "103")])))
    assert stream.first is None
    side.hear(headers(1, ANSWERED), DataFrame(1, b"abc"), headers(1, TRAILERS, "END_STREAM"))
    assert stream.first is not None
    assert stream.first.found[":status"] == "200"
    assert (stream.take(3), stream.closed) == (b"abc", True)
