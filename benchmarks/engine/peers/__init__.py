"""Other engines, as their makers ship them, and our own compiled, each in an environment under `.cache/benchmarks`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.frame import CACHE, PROJECT, Figure, Settings, sources_of

_OURS = ("codegen", "generated", "cerebelum", "cerebelum_client", "cerebelum_engine", "cerebelum_core", "cerebelum_cli")


@dataclass(frozen=True)
class Peer:
    """An engine to measure beside ours."""

    name: str
    module: str
    """The module here that runs it, in its environment."""
    packages: tuple[str, ...]
    npm: tuple[str, ...] = ()
    compiled: bool = False
    """Whether it is this project, built with the compiler's switch on."""

    @property
    def folder(self) -> Path:
        return CACHE / self.module

    def prepare(self) -> None:
        """Install it, unless that is done."""
        sources = sources_of(*_OURS) if self.compiled else ""
        wanted = "\n".join((*self.packages, *self.npm, sources))
        installed = self.folder / "installed"
        if installed.exists() and installed.read_text() == wanted:
            return
        sys.stderr.write(f"setting up {self.name}\n")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        _run(self.folder, sys.executable, "-m", "venv", "env")
        pip = ("env/bin/pip", "install", "--quiet", "--disable-pip-version-check")
        _run(self.folder, *pip, *self.packages, CEREBELUM_COMPILED=str(int(self.compiled)))
        if self.compiled:
            # Where it runs there is nothing of ours but the benchmarks: a source would stand in the build's way.
            (self.folder / "run").mkdir()
            (self.folder / "run" / "benchmarks").symlink_to(PROJECT / "benchmarks")
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
        if self.compiled:
            command += ["--store", settings.store, "--count", str(settings.count)]
            command += ["--embedded"] if settings.embedded else []
        environment = {**os.environ, "PEER_FOLDER": str(self.folder)}
        where = self.folder / "run" if self.compiled else PROJECT
        with subprocess.Popen(command, cwd=where, env=environment, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                yield {"peer": self.name, **json.loads(line)}


PEERS = {
    "compiled": Peer(
        "cerebelum, compiled",
        "compiled",
        ("-c", str(PROJECT / "constraints.txt"), f"{PROJECT}[core,postgres]"),
        compiled=True,
    ),
    "restate": Peer(
        "restate 1.7.12",
        "restate",
        ("restate-sdk==1.3.0", "hypercorn==0.18.0", "aiohttp==3.14.5"),
        ("@restatedev/restate-server@1.7.12",),
    ),
    "dbos": Peer("dbos 3.4.0", "dbos", ("dbos==3.4.0",)),
}


def prepare(names: Iterable[str], settings: Settings) -> None:
    """Install those of the peers among these that are asked for."""
    for name in settings.peers:
        if name in names:
            PEERS[name].prepare()


def figures_of(names: Iterable[str], settings: Settings, *words: str) -> Iterator[Figure]:
    """Those of the peers among these that are asked for, and prepared; each is told these words."""
    for name in settings.peers:
        if name in names:
            yield from PEERS[name].figures(settings, *words)


def _run(folder: Path, *words: str, **environment: str) -> None:
    given = {**os.environ, **environment}
    done = subprocess.run(words, cwd=folder, env=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
