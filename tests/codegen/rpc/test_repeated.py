"""Lists of headers that repeat: read once, and never taken for what they do not mean any more."""

from __future__ import annotations

import random

import pytest
from hpack import Decoder, Encoder
from hpack.exceptions import OversizedHeaderListError

from cerebelum_codegen.runtime.rpc.repeated import HeaderReader

CALL = [(":method", "POST"), (":path", "/trial.Calls/Ask"), ("te", "trailers"), ("user-agent", "one")]


def test_the_same_block_is_read_once() -> None:
    encoder, reader = Encoder(), HeaderReader()
    blocks = [encoder.encode(CALL) for _ in range(3)]
    first, second, third = (reader.decode(block, raw=True) for block in blocks)
    assert list(first) == list(second) == list(third)
    assert third is second


def test_a_block_means_something_else_once_the_table_has_changed() -> None:
    encoder, reader = Encoder(), HeaderReader()
    reader.decode(encoder.encode([("a", "1")]), raw=True)
    reader.decode(encoder.encode([("b", "2")]), raw=True)
    newest = b"\xbe"  # the entry that was added last
    assert list(reader.decode(newest, raw=True)) == [(b"b", b"2")]
    reader.decode(encoder.encode([("c", "3")]), raw=True)
    assert list(reader.decode(newest, raw=True)) == [(b"c", b"3")]


def test_whatever_is_written_is_read_as_without_the_memory() -> None:
    dice = random.Random(7)
    encoder, reader, plain = Encoder(), HeaderReader(), Decoder()
    for _ in range(3_000):
        if dice.random() < 0.02:
            encoder.header_table_size = dice.choice((0, 64, 4_096))
        names = dice.sample(["a", "b", "c", ":path"], dice.randint(0, 4))
        block = encoder.encode([(name, "x" * dice.randint(0, 3)) for name in names])
        assert list(reader.decode(block, raw=True)) == list(plain.decode(block, raw=True))


def test_a_list_that_is_too_large_stays_so() -> None:
    encoder, reader = Encoder(), HeaderReader()
    reader.max_header_list_size = 20
    for _ in range(3):
        with pytest.raises(OversizedHeaderListError):
            reader.decode(encoder.encode(CALL), raw=True)
