"""Restate: its server, and its Python SDK under hypercorn as it recommends. Every workflow is one HTTP call that waits.

Imported by hypercorn this module is the service; run, it starts the server and the service and measures them.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import restate

from benchmarks.engine.loops import One, arguments, closed_loop, figure_of, warmed

_FOLDER = Path(os.environ["PEER_FOLDER"])
_SERVER = _FOLDER / "node_modules/@restatedev/restate-server-linux-x64/bin/restate-server"
_READY_S = 60.0


def service() -> object:
    """The two workflows."""
    five, one = restate.Workflow("five"), restate.Workflow("one")

    async def add_one(number: int) -> int:
        return number + 1

    @five.main(name="run")
    async def run_five(context: restate.WorkflowContext, number: int) -> int:
        for step in range(5):
            number = await context.run_typed(f"step{step}", add_one, number=number)
        return number

    @one.main(name="run")
    async def run_one(context: restate.WorkflowContext, number: int) -> int:
        return await context.run_typed("step", add_one, number=number)

    return restate.app([five, one])


if os.environ.get("PEER_ROLE") == "service":
    app = service()


@contextmanager
def running() -> Iterator[str]:
    """The server and the service; the address of its ingress."""
    ingress, admin, node, worker = (_free_port() for _ in range(4))
    with tempfile.TemporaryDirectory(prefix="restate-benchmark-") as name:
        folder = Path(name)
        config = folder / "restate.toml"
        config.write_text(
            f"""
node-name = "n1"
base-dir = "{folder}/data"
bind-address = "127.0.0.1:{node}"
advertised-address = "http://127.0.0.1:{node}/"
disable-telemetry = true
log-filter = "warn"
[ingress]
bind-address = "127.0.0.1:{ingress}"
[admin]
bind-address = "127.0.0.1:{admin}"
"""
        )
        with (folder / "log").open("w") as log:
            server = subprocess.Popen([_SERVER, "--config-file", config], stdout=log, stderr=log)
            hypercorn = [sys.executable, "-m", "hypercorn", "--log-level", "ERROR", "-w", "0"]
            target = ["--bind", f"127.0.0.1:{worker}", "benchmarks.engine.peers.restate:app"]
            sdk = subprocess.Popen(
                [*hypercorn, *target], env={**os.environ, "PEER_ROLE": "service"}, stdout=log, stderr=log
            )
            try:
                _register(admin, worker)
                yield f"http://127.0.0.1:{ingress}"
            finally:
                for process in (server, sdk):
                    process.kill()
                    process.wait()


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


async def measure() -> None:
    given = arguments()
    serial = iter(range(1 << 62))
    with running() as ingress:
        connector, patience = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=600)
        async with aiohttp.ClientSession(connector=connector, timeout=patience) as http:

            def calling(workflow: str, steps: int) -> One:
                async def one(number: int) -> None:
                    url = f"{ingress}/{workflow}/k{next(serial)}/run"
                    async with http.post(url, json=number) as reply:
                        if await reply.json() != number + steps:
                            raise AssertionError(f"{reply.status}: {await reply.text()}")

                return one

            for concurrency in given.concurrency:
                for workflow, steps in (("five", 5), ("one", 1)) if concurrency == 1 else (("five", 5),):
                    one = calling(workflow, steps)
                    await warmed(one, concurrency)
                    rounds = [await closed_loop(one, concurrency) for _ in range(given.rounds)]
                    how = {"starts": "each its own call", "store": "rocksdb", "concurrency": concurrency}
                    print(json.dumps({**how, **figure_of(rounds, steps)}), flush=True)


if __name__ == "__main__":
    asyncio.run(measure())
