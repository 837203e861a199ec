"""What idle workers cost: so many connections, each with a poll that waits, as deployed clients do it.

They are played by one process that speaks HTTP/2 in frames prepared once, so that the Core is what is measured.
"""

from __future__ import annotations

import asyncio
import struct
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from hpack import Encoder

from benchmarks.engine.loops import cpu_of, run_quick
from benchmarks.frame import Figure, Settings
from benchmarks.growth.memory import rss_kb
from cerebelum_cli.processes import Process
from cerebelum_proto.worker import worker_service_pb as pb

_WORKERS = 10_000
_POLL_MS = 30_000
_AT_ONCE = 100
_WATCHED_S = 60.0
_DATA, _HEADERS, _SETTINGS, _PING = 0x0, 0x1, 0x4, 0x6
_END_STREAM, _END_HEADERS, _ACK = 0x1, 0x4, 0x1
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEAD = struct.Struct(">IBI")
"""The length and the kind of a frame, its flags, and its stream."""


def figures(settings: Settings) -> Iterator[Figure]:
    """One figure."""
    yield run_quick(_measured(settings))


async def _measured(settings: Settings) -> Figure:
    workers = min(settings.count, _WORKERS)
    with tempfile.TemporaryDirectory(prefix="cerebelum-benchmark-") as name:
        url = settings.store or f"sqlite:///{name}/core.db"
        core = Process(
            arguments=("core", "--store", url, "--listen", "127.0.0.1:0"), log=Path(name) / "core.log", ready_word="on"
        )
        host, port = (await core.start()).split("listening on ")[1].split(",")[0].split(":")
        try:
            before_kb, crowd = rss_kb(core.pid), _Crowd(host, int(port))
            for first in range(0, workers, _AT_ONCE):
                await asyncio.gather(*(crowd.join(n) for n in range(first, min(first + _AT_ONCE, workers))))
            await asyncio.sleep(_POLL_MS / 1e3)  # from here on their polls are spread as their starts were
            polls, cpu_s, begun = crowd.answers, cpu_of(core.pid), time.perf_counter()
            await asyncio.sleep(_WATCHED_S)
            polls, cpu_s, took_s = crowd.answers - polls, cpu_of(core.pid) - cpu_s, time.perf_counter() - begun
            return {
                "workers": workers,
                "poll_ms": _POLL_MS,
                "polls_per_s": round(polls / took_s, 1),
                "lost": crowd.lost,
                "core_share": round(cpu_s / took_s, 4),
                "cpu_us_per_poll": round(cpu_s / max(polls, 1) * 1e6, 1),
                "core_rss_kb_per_worker": round((rss_kb(core.pid) - before_kb) / workers, 1),
            }
        finally:
            await core.terminate()


class _Crowd:
    """Workers that have nothing to do."""

    def __init__(self, host: str, port: int) -> None:
        self.answers = 0
        self.lost = 0
        self._host, self._port = host, port
        self._script = _Script.of("bench.example:50051")

    async def join(self, number: int) -> None:
        """Connect a worker, register it, and let it poll from now on."""
        registered = asyncio.get_running_loop().create_future()
        await asyncio.get_running_loop().create_connection(
            lambda: _Idler(self, self._script, f"worker-{number:05}", registered), self._host, self._port
        )
        await registered


@dataclass(frozen=True, slots=True)
class _Script:
    """The header blocks of every connection, in order: a client's table of headers grows by the first two."""

    register: bytes
    first_poll: bytes
    poll: bytes

    @classmethod
    def of(cls, authority: str) -> _Script:
        encoder = Encoder()
        register, poll = (
            [
                (":method", "POST"),
                (":scheme", "http"),
                (":path", f"/cerebelum.worker.WorkerService/{method}"),
                (":authority", authority),
                ("te", "trailers"),
                ("content-type", "application/grpc"),
                ("user-agent", "grpc-python/1.85.3 grpc-c/55.0.0 (linux; chttp2)"),
                ("grpc-accept-encoding", "identity, deflate, gzip"),
            ]
            for method in ("Register", "PollForTask")
        )
        return cls(encoder.encode(register), encoder.encode(poll), encoder.encode(poll))


class _Idler(asyncio.Protocol):
    """One worker on a connection of its own."""

    def __init__(self, crowd: _Crowd, script: _Script, worker_id: str, registered: asyncio.Future[None]) -> None:
        self._crowd, self._script, self._registered = crowd, script, registered
        self._worker_id = worker_id
        self._poll = _message(pb.PollRequest(worker_id=worker_id, timeout_ms=_POLL_MS).to_bytes())
        self._unread = b""
        self._stream = 1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        request = pb.RegisterRequest(worker_id=self._worker_id, language="python", capabilities=["step"])
        self._write(_PREFACE + _frame(_SETTINGS, 0, 0, b""), self._script.register, _message(request.to_bytes()))

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while len(self._unread) >= 9:
            length_and_kind, flags, stream = _HEAD.unpack(self._unread[:9])
            end = 9 + (length_and_kind >> 8)
            if len(self._unread) < end:
                return
            payload, self._unread = self._unread[9:end], self._unread[end:]
            self._hear(length_and_kind & 0xFF, flags, stream, payload)

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.lost += 1
        if not self._registered.done():
            self._registered.set_exception(ConnectionError("the Core closed the connection"))

    def _hear(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _SETTINGS and not flags & _ACK:
            self._transport.write(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            self._transport.write(_frame(_PING, _ACK, 0, payload))
        elif kind == _HEADERS and flags & _END_STREAM:
            self._answered()

    def _answered(self) -> None:
        self._stream += 2
        block = self._script.poll if self._registered.done() else self._script.first_poll
        if self._registered.done():
            self._crowd.answers += 1
        else:
            self._registered.set_result(None)
        self._write(b"", block, self._poll)

    def _write(self, before: bytes, block: bytes, message: bytes) -> None:
        headers = _frame(_HEADERS, _END_HEADERS, self._stream, block)
        self._transport.write(before + headers + _frame(_DATA, _END_STREAM, self._stream, message))


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return _HEAD.pack(len(payload) << 8 | kind, flags, stream) + payload


def _message(data: bytes) -> bytes:
    return b"\0" + len(data).to_bytes(4, "big") + data
