"""Every peer writes and reads the same messages, taking turns round by round; a figure is the median of its rounds."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median

from benchmarks.codec.environments import PEERS, Peer, command, prepare
from benchmarks.codec.payloads import SIZES
from benchmarks.frame import PROJECT, Figure, Settings

_OPERATIONS = ("encode_dict", "decode_dict", "encode_object", "decode_object", "decode_read")
_OF_FLAT = ("encode_object", "decode_object", "decode_read")  # it holds no dicts


def figures(settings: Settings) -> Iterator[Figure]:
    """Microseconds for each peer, message, size and operation."""
    peers = [peer for peer in PEERS if not settings.only or peer.name in settings.only]
    for peer in peers:
        prepare(peer)
    with ExitStack() as stack:
        running = {peer.name: stack.enter_context(Running(peer)) for peer in peers}
        for message, sizes in SIZES.items():
            for size in sizes:
                for op in _OF_FLAT if message == "Flat" else _OPERATIONS:
                    yield from _compare(running, settings, message, size, op)


def _compare(running: dict[str, Running], settings: Settings, message: str, size: str, op: str) -> Iterator[Figure]:
    asked: dict[str, str | int] = {"message": message, "size": size, "op": op, "round_ms": settings.round_ms}
    rounds = [{name: peer.measure(asked) for name, peer in running.items()} for _ in range(settings.rounds)]
    for name in running:
        times = [each[name] for each in rounds]
        us = float(f"{median(times):.4g}")
        yield {"peer": name, "message": message, "size": size, "op": op, "us": us}


class Running:
    """A peer's process, which measures one round at a time when asked."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def __enter__(self) -> Running:
        environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
        self.process = subprocess.Popen(
            command(self.peer),
            cwd=self.peer.folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def measure(self, asked: dict[str, str | int]) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(asked) + "\n")
            self.process.stdin.flush()
            return float(json.loads(self.process.stdout.readline()))
        except (OSError, ValueError):
            raise SystemExit(f"{self.peer.name} has stopped; what it said stands above") from None
