"""Spoiled bytes and spoiled JSON, a great many: each is a message or a DecodeError, in bounded time and memory.

    python -m tests.codegen.fuzz 1000000 [SEED]

A message that is read must be written again and be read as the same. Google's library is asked about a part of them
whether it reads them too.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError as GoogleRefusal
from google.protobuf.message import Message as Google
from hypothesis import HealthCheck, given, settings

from cerebelum_codegen.runtime import DecodeError, EncodeError, Message, class_of
from tests.codegen.generating import PROTOS, described, generated, write
from tests.codegen.oracle import Oracle

KINDS = [
    f"trial.{name}"
    for name in (
        "Scalars", "Optionals", "Lists", "Unpacked", "Maps", "Tree", "Choice", "Known", "Wrapped", "Boxed", "Older",
        "Old", "Strict", "Holder", "Set", "Chosen2023",
    )
]  # fmt: skip
# Google does not read what a map entry holds beside its two fields.
COMPARED = {f"trial.{name}" for name in ("Scalars", "Optionals", "Lists", "Unpacked", "Older", "Wrapped")}
SPOILERS = bytes([0, 1, 2, 3, 4, 5, 8, 10, 11, 12, 0x7F, 0x80, 0xFF])
TOKENS = [
    "null",
    "true",
    "0",
    "-1",
    "1e400",
    '""',
    "[]",
    "{}",
    '"a"',
    ",",
    ":",
    "[",
    "]",
    "{",
    "}",
    '"',
    "\\",
    "\\ud800",
    "NaN",
]


class Corpus:
    """Messages to spoil, drawn once from Google's side."""

    def __init__(self, google: Oracle) -> None:
        self.data: dict[str, list[bytes]] = {}
        self.texts: dict[str, list[str]] = {}
        for kind in KINDS:
            self.data[kind] = list(_drawn(google, kind))
            self.texts[kind] = [text for each in self.data[kind] if (text := _text(kind, each)) is not None] or ["{}"]


def _drawn(google: Oracle, kind: str) -> Iterator[bytes]:
    found: list[bytes] = [b""]

    @settings(max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(message=google.messages(kind))
    def draw(message: Google) -> None:
        found.append(message.SerializePartialToString())

    draw()
    return iter(found)


def _text(kind: str, data: bytes) -> str | None:
    try:
        return _class(kind).from_bytes(data).to_json()
    except (DecodeError, EncodeError):
        return None


def _class(kind: str) -> type[Message]:
    found = class_of(kind)
    assert found is not None
    return found


def spoiled(chance: random.Random, whole: bytes) -> bytes:
    data = bytearray(whole)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        at = chance.randint(0, len(data))
        byte = chance.choice(SPOILERS) if chance.random() < 0.5 else chance.randrange(256)
        match chance.randrange(7):
            case 0:
                data[at : at + 1] = bytes([byte])
            case 1:
                del data[at : at + 1]
            case 2:
                data.insert(at, byte)
            case 3:
                del data[at:]
            case 4:
                data[at:at] = data[chance.randint(0, len(data)) :][:20]
            case 5:
                data[at:at] = bytes([0x80 | byte & 7]) * chance.randint(1, 12)
            case _:
                data[at:at] = chance.randbytes(chance.randint(1, 8))
    return bytes(data)


def spoiled_text(chance: random.Random, whole: str) -> str:
    text = whole
    for _ in range(chance.choice((1, 1, 2))):
        at = chance.randint(0, len(text))
        match chance.randrange(3):
            case 0:
                text = text[:at] + chance.choice(TOKENS) + text[at + chance.randint(0, 3) :]
            case 1:
                text = text[:at] + text[at + chance.randint(1, 5) :]
            case _:
                text = text[:at] + chr(chance.choice([0, 34, 0xD800, 0x1F600, chance.randrange(128)])) + text[at:]
    return text


def try_bytes(kind: str, data: bytes, google: Oracle | None, seen: Counter[str]) -> None:
    lenient = False
    try:
        message = _class(kind).from_bytes(data)
    except DecodeError as error:
        seen["bytes refused"] += 1
        message, lenient = None, "field number 0 " in str(error)
    if google is not None and not lenient:  # Google lets a field 0 pass inside of an unknown group
        try:
            google.type_of(kind).FromString(data)
            theirs = True
        except GoogleRefusal:
            theirs = False
        if theirs != (message is not None):
            seen["read by one alone"] += 1
            sys.stdout.write(f"{kind} {data.hex()}: Google {'reads' if theirs else 'refuses'} it\n")
    if message is None:
        return
    seen["bytes read"] += 1
    try:
        again = message.to_bytes()
    except EncodeError:
        seen["read and not written"] += 1  # an instant or span outside of what the contract allows
        return
    assert _class(kind).from_bytes(again).to_bytes() == again, f"{kind} {data.hex()}"


def try_text(kind: str, text: str, seen: Counter[str]) -> None:
    try:
        message = _class(kind).from_json(text)
    except DecodeError:
        seen["JSON refused"] += 1
        return
    seen["JSON read"] += 1
    written = message.to_json()
    assert _class(kind).from_json(written).to_json() == written, f"{kind} {text!r}"
    json.loads(written)


def main() -> None:
    inputs, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    chance, seen = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        files = described(PROTOS, Path(folder) / "image.binpb")
        write(generated(files), Path(folder))
        sys.path.insert(0, os.environ.get("COMPILED_TRIAL", folder))
        for name in ("kinds_pb", "legacy_pb", "edition_pb"):
            import_module(f"trial.{name}")
    google = Oracle(FileDescriptorSet(file=files.file))
    corpus = Corpus(google)
    before, began, slowest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic(), 0.0
    for number in range(inputs):
        kind = chance.choice(KINDS)
        start = time.process_time()
        if number % 5 == 4:
            try_text(kind, spoiled_text(chance, chance.choice(corpus.texts[kind])), seen)
        else:
            data = spoiled(chance, chance.choice(corpus.data[kind]))
            try_bytes(kind, data, google if kind in COMPARED else None, seen)
        slowest = max(slowest, time.process_time() - start)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    figures = {"inputs": inputs, "seed": seed, **seen, "slowest_ms": round(slowest * 1000, 1), "grown_kb": grown}
    sys.stdout.write(json.dumps({**figures, "seconds": round(time.monotonic() - began)}) + "\n")
    sys.exit(1 if seen["read by one alone"] else 0)


if __name__ == "__main__":
    main()
