"""Cores and workers as child processes of this command line, ended by their own id."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cerebelum import CerebelumError

READY_S = 30.0
"""How long a process may take to say that it is ready, or to end; a bound, not an expectation."""


@dataclass(kw_only=True)
class Process:
    """One `cerebelum` process. It says on its standard output when it is ready; its log goes to a file."""

    arguments: Sequence[str]
    log: Path
    ready_word: str
    environment: Mapping[str, str] = field(default_factory=dict)
    _child: asyncio.subprocess.Process | None = field(default=None, init=False)

    @property
    def pid(self) -> int:
        """Its process id; 0 when it does not run."""
        return self._child.pid if self._child is not None else 0

    async def start(self) -> str:
        """Start it, and return the line in which it said that it is ready.

        Raises:
            CerebelumError: it ended before, or took too long.
        """
        with self.log.open("ab") as log:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "cerebelum_cli",
                *self.arguments,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**os.environ, **self.environment},
            )
        try:
            line = await asyncio.wait_for(self._ready_line(self._child), READY_S)
        except TimeoutError:
            line = ""
        if not line:
            await self.kill()
            raise CerebelumError(f"`cerebelum {' '.join(self.arguments)}` did not start:\n{self.log.read_text()}")
        return line

    async def _ready_line(self, child: asyncio.subprocess.Process) -> str:
        while child.stdout is not None and (line := (await child.stdout.readline()).decode()):
            if self.ready_word in line:
                return line.strip()
        return ""

    async def ended(self) -> int:
        """The exit code, once it has ended by itself."""
        if self._child is None:
            return 0
        await self._child.communicate()
        return self._child.returncode or 0

    async def kill(self) -> None:
        """SIGKILL: no goodbye."""
        await self._end(signal.SIGKILL)

    async def terminate(self) -> int:
        """SIGTERM; the exit code of a clean shutdown."""
        return await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> int:
        child, self._child = self._child, None
        if child is None:
            return 0
        if child.returncode is None:
            child.send_signal(how)
        # communicate() reads the pipe to its end, which also closes it.
        await asyncio.wait_for(child.communicate(), READY_S)
        return child.returncode or 0


@dataclass(kw_only=True)
class CoreProcess:
    """A Core on a SQLite file of its folder, or another store. It keeps its address from one start to the next."""

    folder: Path
    address: str = "127.0.0.1:0"
    arguments: Sequence[str] = ()
    store: str = ""
    process: Process | None = field(default=None, init=False)

    async def start(self) -> None:
        """Start it, or start it again where it was."""
        store = self.store or f"sqlite:///{self.folder}/core.db"
        self.process = Process(
            arguments=("core", "--store", store, "--listen", self.address, *self.arguments),
            log=self.folder / "core.log",
            ready_word="listening on",
        )
        line = await self.process.start()
        self.address = line.split("listening on ")[1].split(",")[0]

    @property
    def pid(self) -> int:
        """Its process id; 0 when it does not run."""
        return self.process.pid if self.process is not None else 0

    async def kill(self) -> None:
        """SIGKILL: no goodbye."""
        if self.process is not None:
            await self.process.kill()

    async def terminate(self) -> int:
        """SIGTERM; the exit code of a clean shutdown."""
        return await self.process.terminate() if self.process is not None else 0


def worker_process(
    folder: Path,
    address: str,
    module: str,
    *,
    name: str = "worker",
    queues: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Process:
    """A worker for the workflows of a module."""
    return Process(
        arguments=("worker", module, "--core", address, *(word for queue in queues for word in ("--queue", queue))),
        log=folder / f"{name}.log",
        ready_word="polling",
        environment=environment or {},
    )
