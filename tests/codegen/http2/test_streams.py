"""What arrives on a stream is given out in the pieces that are asked for, however it came."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from cerebelum_codegen.runtime.http2.stream import Stream


def test_bytes_come_out_as_they_went_in_whatever_their_pieces() -> None:
    dice = random.Random(3)
    sent, stream, taken = dice.randbytes(20_000), Stream(1, 0, 0), bytearray()
    at = 0
    while len(taken) < len(sent):
        size = dice.randint(1, 500)
        if at < len(sent):
            stream.put(sent[at : at + size])
            at = min(at + size, len(sent))
        count = dice.randint(0, stream.waiting)
        assert stream.peek(count) == sent[len(taken) : len(taken) + count] if count else True
        taken += stream.take(count)
        assert stream.waiting == at - len(taken)
    assert taken == sent


def test_what_is_dropped_is_gone() -> None:
    stream = Stream(1, 0, 0)
    stream.put(b"abc")
    stream.put(b"def")
    stream.take(2)
    stream.drop()
    assert stream.waiting == 0
    stream.put(b"xyz")
    assert stream.take(3) == b"xyz"


@pytest.mark.parametrize("size", [2, 100])
def test_bytes_that_come_in_crumbs_take_little_more_room_than_they_are(size: int) -> None:
    stream, crumb = Stream(1, 0, 0), b"\xff" * size
    tracemalloc.start()
    try:
        for _ in range(50_000 // size):
            stream.put(bytes(bytearray(crumb)))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 * stream.waiting
    assert stream.take(stream.waiting) == b"\xff" * 50_000
