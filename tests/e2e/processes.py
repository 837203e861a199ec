"""Real Cores and workers as child processes, on loopback, killed by their own id."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

READY_S = 30.0
"""How long a process may take to say that it is ready; a bound, not an expectation."""


@dataclass
class Process:
    """One child process that says on stdout when it is ready."""

    arguments: tuple[str, ...]
    log: Path
    ready_word: str
    environment: Mapping[str, str] = field(default_factory=dict)
    child: asyncio.subprocess.Process | None = None

    async def start(self) -> str:
        """Start it and return the line in which it said that it is ready."""
        with self.log.open("ab") as log:
            self.child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "cerebelum_cli",
                *self.arguments,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**os.environ, **self.environment},
            )
        return await asyncio.wait_for(self._ready_line(), READY_S)

    async def _ready_line(self) -> str:
        assert self.child is not None
        assert self.child.stdout is not None
        async for line in self.child.stdout:
            if self.ready_word in line.decode():
                return line.decode().strip()
        raise AssertionError(f"it ended before it was ready; its log:\n{self.log.read_text()}")

    async def kill(self) -> None:
        """SIGKILL: no goodbye."""
        await self._end(signal.SIGKILL)

    async def terminate(self) -> int:
        """SIGTERM, and the exit code of a clean shutdown."""
        return await self._end(signal.SIGTERM)

    async def _end(self, sign: signal.Signals) -> int:
        if self.child is None:
            return 0
        if self.child.returncode is None:
            self.child.send_signal(sign)
        code = await asyncio.wait_for(self.child.wait(), READY_S)
        self.child._transport.close()  # type: ignore[attr-defined]  # asyncio leaves the pipe of a killed child open
        self.child = None
        return code


@dataclass
class Core:
    """A Core on its SQLite file. It keeps its address from one start to the next."""

    folder: Path
    address: str = "127.0.0.1:0"
    arguments: tuple[str, ...] = ()
    process: Process | None = None

    async def start(self) -> None:
        self.process = Process(
            (
                "core",
                "--store",
                f"sqlite:///{self.folder}/core.db",
                "--listen",
                self.address,
                *self.arguments,
            ),
            self.folder / "core.log",
            "listening on",
        )
        line = await self.process.start()
        self.address = next(word for word in line.split() if word.startswith("127.0.0.1:")).rstrip(",")

    async def kill(self) -> None:
        assert self.process is not None
        await self.process.kill()

    async def terminate(self) -> int:
        assert self.process is not None
        return await self.process.terminate()

    @property
    def pid(self) -> int:
        assert self.process is not None
        assert self.process.child is not None
        return self.process.child.pid


def worker(folder: Path, address: str, module: str = "tests.e2e.flows", name: str = "worker") -> Process:
    """A worker process for the test's workflows; its notes and gate lie in the folder."""
    return Process(
        ("worker", module, "--core", address),
        folder / f"{name}.log",
        "polling",
        {"E2E_NOTES": str(folder / "notes"), "E2E_GATE": str(folder / "gate")},
    )


def notes(folder: Path) -> list[str]:
    """The words that step bodies noted, in order."""
    path = folder / "notes"
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []
