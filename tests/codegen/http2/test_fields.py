"""Lists of headers: read once, never taken for what they do not mean any more, and written the same for everybody."""

from __future__ import annotations

import random

import pytest
from hpack import Decoder, Encoder, HPACKError

from cerebelum_codegen.runtime.http2.codes import ErrorCode
from cerebelum_codegen.runtime.http2.errors import ConnectionFault
from cerebelum_codegen.runtime.http2.fields import FieldReader, Fields, write_field, write_fields

CALL = [(":method", "POST"), (":path", "/trial.Calls/Ask"), ("te", "trailers"), ("user-agent", "one")]


def read(block: bytes) -> list[tuple[str, str]]:
    return [(name.decode(), value.decode()) for name, value in Decoder().decode(block, raw=True)]


def test_the_same_block_is_read_once() -> None:
    encoder, reader = Encoder(), FieldReader(4096)
    first, second, third = (reader.read(encoder.encode(CALL)) for _ in range(3))
    assert first.pairs == second.pairs == tuple(CALL)
    assert third is second


def test_what_was_written_here_is_read_once_from_the_first_on() -> None:
    reader = FieldReader(4096)
    assert reader.read(write_fields(CALL)) is reader.read(write_fields(CALL))


def test_a_block_means_something_else_once_the_table_has_changed() -> None:
    encoder, reader = Encoder(), FieldReader(4096)
    reader.read(encoder.encode([("a", "1")]))
    reader.read(encoder.encode([("b", "2")]))
    newest = b"\xbe"  # the entry that was added last
    assert reader.read(newest).pairs == (("b", "2"),)
    reader.read(encoder.encode([("c", "3")]))
    assert reader.read(newest).pairs == (("c", "3"),)


def test_an_entry_that_says_what_the_newest_says_changes_the_table_too() -> None:
    reader = FieldReader(4096)
    add = b"\x40\x01a\x01" + b"1"
    oldest = b"\xbf"  # of two
    reader.read(b"\x40\x01z\x01" + b"9" + add)
    assert reader.read(oldest).pairs == (("z", "9"),)
    reader.read(add)
    assert reader.read(oldest).pairs == (("a", "1"),)


def test_a_block_that_resizes_the_table_is_obeyed_each_time() -> None:
    reader, plain = FieldReader(4096), Decoder()
    small, large, add = b"\x3f\x09", b"\x3f\xe1\x1f", b"\x40\x01a\x01" + b"1"
    for block in (small, large, small, add, b"\x82", large, add, add, b"\xbe\xbf"):
        assert reader.read(block).pairs == tuple((n.decode(), v.decode()) for n, v in plain.decode(block, raw=True))


def test_whatever_is_written_is_read_as_without_the_memory() -> None:
    dice = random.Random(7)
    encoder, reader, plain = Encoder(), FieldReader(4096), Decoder()
    for _ in range(3_000):
        if dice.random() < 0.02:
            encoder.header_table_size = dice.choice((0, 64, 4_096))
        names = dice.sample(["a", "b", "c", ":path"], dice.randint(0, 4))
        block = encoder.encode([(name, "x" * dice.randint(0, 3)) for name in names])
        expected = tuple((name.decode(), value.decode()) for name, value in plain.decode(block, raw=True))
        assert reader.read(block).pairs == expected


def test_a_list_that_is_too_large_stays_so() -> None:
    encoder, reader = Encoder(), FieldReader(20)
    for _ in range(3):
        with pytest.raises(ConnectionFault) as refused:
            reader.read(encoder.encode(CALL))
        assert refused.value.code is ErrorCode.ENHANCE_YOUR_CALM


@pytest.mark.parametrize("seed", range(200))
def test_random_bytes_are_headers_or_a_fault(seed: int) -> None:
    dice = random.Random(seed)
    reader, plain = FieldReader(4096), Decoder()
    for _ in range(20):
        block = dice.randbytes(dice.randint(0, 30))
        try:
            expected = tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in plain.decode(block, raw=True))
        except (HPACKError, IndexError, ValueError):
            with pytest.raises(ConnectionFault, match="COMPRESSION_ERROR"):
                reader.read(block)
            return
        assert reader.read(block).pairs == expected


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 254, 255, 5_000, 70_000])
def test_what_is_written_is_read_by_everybody_and_leaves_no_trace(size: int) -> None:
    header = ("x-large", "v" * size)
    decoder = Decoder(max_header_list_size=1 << 20)
    for block in (write_fields([header]), write_field(*header)) * 2:
        assert [(name.decode(), value.decode()) for name, value in decoder.decode(block, raw=True)] == [header]
    assert not decoder.header_table.dynamic_entries


def test_blocks_that_follow_one_another_are_one_list() -> None:
    assert read(write_fields(CALL) + write_field("grpc-timeout", "5m")) == [*CALL, ("grpc-timeout", "5m")]


@pytest.mark.parametrize(
    "pairs",
    [
        [("Upper", "a")],
        [("with space", "a")],
        [("", "a")],
        [("a", "new\nline")],
        [("a", "nul\0")],
        [("a", "1"), (":path", "/")],
        [(":path", "/"), (":path", "/")],
        [(":unknown", "a")],
        [(":", "a")],
        [("connection", "close")],
        [("transfer-encoding", "chunked")],
        [("te", "gzip")],
    ],
)
def test_what_http2_does_not_allow_is_a_fault(pairs: list[tuple[str, str]]) -> None:
    assert Fields(tuple(pairs)).fault


def test_what_calls_send_is_none() -> None:
    assert Fields((*CALL, ("x-any", "\xff"), ("grpc-timeout", "1S"))).fault == ""
