"""This project's Core: in a process of its own with a worker beside it over gRPC, or embedded in this one."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.engine.workflows import five, large_five, one, slow_five
from cerebelum import DistributedExecutor, ExecutionResult, ExecutionStream, Worker
from cerebelum.embedded import embedded_core
from cerebelum_cli.processes import Process
from cerebelum_cli.serving import collect_seldom, hand_over_soon
from cerebelum_client import CerebelumClient

CONNECTIONS = 16
"""Of the caller; calls are spread over them."""
_WORKFLOWS = "benchmarks.engine.workflows"
_KILOBYTE = "x" * 1024


@dataclass(frozen=True)
class Stack:
    """A Core, a worker and a caller."""

    executor: DistributedExecutor
    stream: ExecutionStream
    address: str = ""
    """Of the Core, when it is a process of its own."""
    core_pid: int = 0
    worker_pid: int = 0

    async def call_five(self, number: int) -> None:
        """Five steps, started by a call of its own that waits for the result."""
        _check(await self.executor.execute(five, number), number + 5)

    async def stream_five(self, number: int) -> None:
        """Five steps, started on a stream beside the others."""
        _check(await self.stream.execute(five, number), number + 5)

    async def stream_slow_five(self, number: int) -> None:
        """Five steps of 0 to 10 ms."""
        _check(await self.stream.execute(slow_five, number), number + 5)

    async def stream_large_five(self, number: int) -> None:
        """Five steps that carry 1 KB."""
        _check(await self.stream.execute(large_five, _KILOBYTE), _KILOBYTE)

    async def call_one(self, number: int) -> None:
        """One step."""
        _check(await self.executor.execute(one, number), number + 1)


@asynccontextmanager
async def remote(store: str, concurrency: int, workflows: str = _WORKFLOWS) -> AsyncIterator[Stack]:
    """A Core and a worker of the workflows in a module, as processes of the command line."""
    with tempfile.TemporaryDirectory(prefix="cerebelum-benchmark-") as name:
        folder = Path(name)
        core = Process(
            arguments=("core", "--store", store or f"sqlite:///{folder}/core.db", "--listen", "127.0.0.1:0"),
            log=folder / "core.log",
            ready_word="listening on",
        )
        worker = Process(arguments=(), log=folder / "worker.log", ready_word="polling")
        try:
            address = (await core.start()).split("listening on ")[1].split(",")[0]
            worker.arguments = ("worker", workflows, "--core", address, "--concurrency", str(concurrency))
            await worker.start()
            async with CerebelumClient(address, connections=CONNECTIONS) as client:
                executor = DistributedExecutor(client)
                async with executor.stream() as stream:
                    yield Stack(executor, stream, address, core.pid, worker.pid)
        finally:
            await worker.kill()
            await core.kill()


@asynccontextmanager
async def embedded(store: str, concurrency: int) -> AsyncIterator[Stack]:
    """A Core and a worker in this process, without a socket; it is set up as the command line's processes are, and what
    writes to the store is a process beside it.
    """
    collect_seldom()
    hand_over_soon()
    with tempfile.TemporaryDirectory(prefix="cerebelum-benchmark-") as folder:
        async with embedded_core(store or f"sqlite:///{folder}/core.db", apart=True) as core:
            worker = Worker(core, workflows=[five, one, slow_five, large_five], concurrency=concurrency)
            ready = asyncio.Event()
            working = asyncio.create_task(worker.run(ready.set))
            await ready.wait()
            async with DistributedExecutor(core) as executor, executor.stream() as stream:
                yield Stack(executor, stream)
            worker.stop()
            await working


def _check(result: ExecutionResult, expected: object) -> None:
    if result.output != expected:
        raise AssertionError(f"{result} is not {expected}")
