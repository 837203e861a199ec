"""Unary calls of 100 bytes between two processes, on one connection: how many a second, and what each side pays."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from statistics import median

from benchmarks.calls.echo import Say, caller
from benchmarks.engine.loops import cpu_of, run_quick
from benchmarks.frame import PROJECT, Figure, Settings

PEERS = ("cerebelum", "grpcio")
_ROUND_S = 2.0
_MESSAGE = bytes(100)


def figures(settings: Settings) -> Iterator[Figure]:
    """One figure for each peer and number of calls in flight."""
    for peer in [each for each in PEERS if not settings.only or each in settings.only]:
        for concurrency in settings.concurrency:
            with subprocess.Popen(
                [sys.executable, "-m", "benchmarks.calls.echo", peer], cwd=PROJECT, stdout=subprocess.PIPE, text=True
            ) as server:
                try:
                    yield {"peer": peer, **run_quick(_measured(peer, server, concurrency, settings.rounds))}
                finally:
                    server.kill()


async def _measured(peer: str, server: subprocess.Popen[str], concurrency: int, rounds: int) -> Figure:
    assert server.stdout is not None
    with closing(server.stdout) as said:
        port = int(said.readline())
    async with caller(peer, port) as say:
        await _round(say, server.pid, concurrency, _ROUND_S / 4)
        found = [await _round(say, server.pid, concurrency, _ROUND_S) for _ in range(rounds)]
    names = ("calls_per_s", "p50_us", "client_us", "server_us")
    each = zip(*found, strict=True)
    return {"concurrency": concurrency} | {
        name: round(median(values), 1) for name, values in zip(names, each, strict=True)
    }


async def _round(say: Say, server: int, concurrency: int, round_s: float) -> tuple[float, float, float, float]:
    """Calls a second, half of them within so many microseconds, and CPU microseconds of client and server a call."""
    latencies_s: list[float] = []
    began, ours_s, theirs_s = time.perf_counter(), time.process_time(), cpu_of(server)

    async def keep_calling() -> None:
        while (at := time.perf_counter()) < began + round_s:
            await say(_MESSAGE)
            latencies_s.append(time.perf_counter() - at)

    await asyncio.gather(*(keep_calling() for _ in range(concurrency)))
    took_s, calls = time.perf_counter() - began, len(latencies_s)
    ours_s, theirs_s = time.process_time() - ours_s, cpu_of(server) - theirs_s
    return calls / took_s, median(latencies_s) * 1e6, ours_s / calls * 1e6, theirs_s / calls * 1e6
