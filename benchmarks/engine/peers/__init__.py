"""Other engines, as their makers ship them, each in an environment of its own under `.cache/benchmarks`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.frame import CACHE, PROJECT, Figure, Settings


@dataclass(frozen=True)
class Peer:
    """An engine to measure beside ours."""

    name: str
    module: str
    """The module here that runs it, in its environment."""
    packages: tuple[str, ...]
    npm: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return CACHE / self.module

    def prepare(self) -> None:
        """Install it, unless that is done."""
        wanted = "\n".join((*self.packages, *self.npm))
        installed = self.folder / "installed"
        if installed.exists() and installed.read_text() == wanted:
            return
        sys.stderr.write(f"setting up {self.name}\n")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        _run(self.folder, sys.executable, "-m", "venv", "env")
        _run(self.folder, "env/bin/pip", "install", "--quiet", "--disable-pip-version-check", *self.packages)
        if self.npm:
            _run(self.folder, "npm", "install", "--silent", "--prefix", ".", *self.npm)
        installed.write_text(wanted)

    def figures(self, settings: Settings, *words: str) -> Iterator[Figure]:
        """What it takes, in a process of its own that is told these words too."""
        command = [
            str(self.folder / "env/bin/python"),
            "-m",
            f"benchmarks.engine.peers.{self.module}",
            *("--rounds", str(settings.rounds)),
            *("--concurrency", *map(str, settings.concurrency)),
            *words,
        ]
        environment = {**os.environ, "PEER_FOLDER": str(self.folder)}
        with subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                yield {"peer": self.name, **json.loads(line)}


PEERS = {
    "restate": Peer(
        "restate 1.7.12",
        "restate",
        ("restate-sdk==1.3.0", "hypercorn==0.18.0", "aiohttp==3.14.5"),
        ("@restatedev/restate-server@1.7.12",),
    ),
    "dbos": Peer("dbos 3.4.0", "dbos", ("dbos==3.4.0",)),
}


def _run(folder: Path, *words: str) -> None:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
