"""Restate: its server, and its Python SDK under hypercorn as it recommends. Every workflow is one HTTP call that waits.

Imported by hypercorn this module is the service; run, it starts the server and the service and measures them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp
import restate

from benchmarks.engine.loops import One, arguments, closed_loop, figure_of, warmed
from benchmarks.growth.lateness import HEAD_START_S, lateness, medians

_FOLDER = Path(os.environ["PEER_FOLDER"])
_SERVER = _FOLDER / "node_modules/@restatedev/restate-server-linux-x64/bin/restate-server"
_GATE = Path(os.environ.get("PEER_GATE", "gate"))
_NOTES = Path(os.environ.get("PEER_NOTES", "notes"))
_READY_S = 60.0


def service() -> object:
    """The workflows."""
    five, one, noted, nap = (restate.Workflow(name) for name in ("five", "one", "noted", "nap"))

    async def add_one(number: int) -> int:
        return number + 1

    async def note(key: str, step: int) -> int:
        while step == 0 and not _GATE.exists():
            await asyncio.sleep(0.1)
        _note(f"{key} {step}\n")
        return step

    @five.main(name="run")
    async def run_five(context: restate.WorkflowContext, number: int) -> int:
        for step in range(5):
            number = await context.run_typed(f"step{step}", add_one, number=number)
        return number

    @one.main(name="run")
    async def run_one(context: restate.WorkflowContext, number: int) -> int:
        return await context.run_typed("step", add_one, number=number)

    @noted.main(name="run")
    async def run_noted(context: restate.WorkflowContext, number: int) -> int:
        for step in range(5):
            await context.run_typed(f"step{step}", note, key=context.key(), step=step)
        return number

    @nap.main(name="run")
    async def run_nap(context: restate.WorkflowContext, due_s: float) -> float:
        await context.sleep(timedelta(seconds=max(due_s - time.time(), 0)))
        return time.time() - due_s

    return restate.app([five, one, noted, nap])


def _note(line: str) -> None:
    with _NOTES.open("a") as notes:
        notes.write(line)


if os.environ.get("PEER_ROLE") == "service":
    app = service()


class Stack:
    """The server and the service, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.ingress, self.admin, node, self.worker = (_free_port() for _ in range(4))
        self._config = folder / "restate.toml"
        self._config.write_text(
            f"""
node-name = "n1"
base-dir = "{folder}/data"
bind-address = "127.0.0.1:{node}"
advertised-address = "http://127.0.0.1:{node}/"
disable-telemetry = true
log-filter = "warn"
[ingress]
bind-address = "127.0.0.1:{self.ingress}"
[admin]
bind-address = "127.0.0.1:{self.admin}"
"""
        )
        self._log = (folder / "log").open("w")
        self.start_server()
        hypercorn = [sys.executable, "-m", "hypercorn", "--log-level", "ERROR", "-w", "0"]
        target = ["--bind", f"127.0.0.1:{self.worker}", "benchmarks.engine.peers.restate:app"]
        noting = {"PEER_ROLE": "service", "PEER_NOTES": str(folder / "notes"), "PEER_GATE": str(folder / "gate")}
        self.service = subprocess.Popen(
            [*hypercorn, *target], env={**os.environ, **noting}, stdout=self._log, stderr=self._log
        )

    def start_server(self) -> None:
        """Start it, or start it again where it was."""
        self.server = subprocess.Popen([_SERVER, "--config-file", self._config], stdout=self._log, stderr=self._log)

    def kill(self) -> None:
        for process in (self.server, self.service):
            process.kill()
            process.wait()
        self._log.close()


@contextmanager
def running(folder: Path) -> Iterator[Stack]:
    """Both processes, and the service known to the server."""
    stack = Stack(folder)
    try:
        _register(stack.admin, stack.worker)
        yield stack
    finally:
        stack.kill()


def _register(admin: int, worker: int) -> None:
    until = time.monotonic() + _READY_S
    request = urllib.request.Request(
        f"http://127.0.0.1:{admin}/deployments",
        method="POST",
        headers={"content-type": "application/json"},
        data=json.dumps({"uri": f"http://127.0.0.1:{worker}", "force": True}).encode(),
    )
    while True:
        try:
            urllib.request.urlopen(request, timeout=10).read()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def calling() -> AsyncIterator[tuple[Stack, Path, aiohttp.ClientSession]]:
    """A stack of its own, its folder, and a caller without limits."""
    connector, patience = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=600)
    with tempfile.TemporaryDirectory(prefix="restate-benchmark-") as name, running(Path(name)) as stack:
        async with aiohttp.ClientSession(connector=connector, timeout=patience) as http:
            yield stack, Path(name), http


async def measure(given: argparse.Namespace) -> None:
    """Closed loops."""
    serial = iter(range(1 << 62))
    async with calling() as (stack, _, http):

        def calls(workflow: str, steps: int) -> One:
            async def one(number: int) -> None:
                url = f"http://127.0.0.1:{stack.ingress}/{workflow}/k{next(serial)}/run"
                async with http.post(url, json=number) as reply:
                    if await reply.json() != number + steps:
                        raise AssertionError(f"{reply.status}: {await reply.text()}")

            return one

        for concurrency in given.concurrency:
            for workflow, steps in (("five", 5), ("one", 1)) if concurrency == 1 else (("five", 5),):
                one = calls(workflow, steps)
                await warmed(one, concurrency)
                rounds = [await closed_loop(one, concurrency) for _ in range(given.rounds)]
                how = {"starts": "each its own call", "store": "rocksdb", "concurrency": concurrency}
                print(json.dumps({**how, **figure_of(rounds, steps)}), flush=True)


async def recover(in_flight: int, kill_after: int) -> None:
    """SIGKILL for the server in the middle of many workflows; it is started again at once."""
    async with calling() as (stack, folder, http):
        notes = folder / "notes"

        async def begin(number: int) -> None:
            url = f"http://127.0.0.1:{stack.ingress}/noted/k{number}/run/send"
            async with http.post(url, json=number) as reply:
                reply.raise_for_status()

        await asyncio.gather(*(begin(number) for number in range(in_flight)))
        (folder / "gate").touch()
        await _lines(notes, kill_after)
        stack.server.kill()
        stack.server.wait()
        killed = time.perf_counter()
        stack.start_server()
        while len(set(notes.read_text().splitlines())) < 5 * in_flight:
            await asyncio.sleep(0.05)
        all_done_s = time.perf_counter() - killed
        ran = Counter(notes.read_text().splitlines())
        twice = sum(count > 1 for count in ran.values())
        print(
            json.dumps(
                {"killed": "core", "in_flight": in_flight, "all_done_s": round(all_done_s, 3), "steps_run_twice": twice}
            )
        )


async def wake(count: int, rounds: int) -> None:
    """So many timers that are due at one instant."""
    serial = iter(range(1 << 62))
    async with calling() as (stack, _, http):

        async def late_s(due_s: float) -> float:
            url = f"http://127.0.0.1:{stack.ingress}/nap/k{next(serial)}/run"
            async with http.post(url, json=due_s) as reply:
                return float(await reply.json())

        async def one_round() -> dict[str, float]:
            due_s = time.time() + HEAD_START_S
            return lateness(await asyncio.gather(*(late_s(due_s) for _ in range(count))))

        print(json.dumps(medians([await one_round() for _ in range(min(rounds, 3))])))


async def _lines(path: Path, count: int) -> None:
    while not path.exists() or len(path.read_text().splitlines()) < count:
        await asyncio.sleep(0.01)


if __name__ == "__main__":
    told = arguments()
    if told.timers:
        asyncio.run(wake(told.timers, told.rounds))
    else:
        asyncio.run(recover(*told.recover) if told.recover else measure(told))
