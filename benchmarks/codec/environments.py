"""Each peer in an environment of its own under `.cache/benchmarks`, pinned, with its code generated from our protos."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.frame import CACHE, PROJECT, sources_of

_IMAGE = CACHE / "image.binpb"
_TEMPLATE = """
version: v2
plugins:
  - local: {plugin}
    out: {out}
    opt: [{options}]
    strategy: all
"""
_BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Peer:
    """A library to measure, and what it takes."""

    name: str
    module: str
    packages: tuple[str, ...] = ()
    """What pip installs for it; none for a peer that runs in this environment."""
    plugin: str = ""
    """The plugin that generates its code, where it has one."""
    options: str = ""
    """What it wants to be told."""
    generate: tuple[str, ...] = ()
    """More words for `buf generate`."""
    compiled: bool = False
    """Whether it is this project, built with the compiler's switch on."""

    @property
    def folder(self) -> Path:
        return CACHE / self.name

    @property
    def generated(self) -> Path:
        return self.folder / "generated"

    @property
    def bin(self) -> Path:
        return self.folder / "env" / "bin" if self.packages or self.compiled else _BIN


PEERS = (
    Peer("cerebelum", "cerebelum", plugin="protoc-gen-cerebelum", generate=("--path", "flat.proto")),
    Peer(
        "cerebelum-compiled",
        "cerebelum",
        (f"{PROJECT}[codegen,compiler]",),
        "protoc-gen-cerebelum",
        generate=("--path", "flat.proto"),
        compiled=True,
    ),
    Peer("upb", "upb", ("protobuf==7.36.2",)),
    Peer("protobuf-py", "protobuf_py", ("protobuf-py==0.7.0", "protoc-gen-py==0.7.0"), "protoc-gen-py"),
    Peer(
        "betterproto2",
        "betterproto2",
        ("betterproto2==0.10.0", "betterproto2_compiler==0.10.1"),
        "protoc-gen-python_betterproto2",
        "client_generation=none",
        ("--include-imports", "--include-wkt"),
    ),
    Peer("msgspec", "msgspec", ("msgspec==0.22.0",)),
)


def prepare(peer: Peer) -> None:
    """Install a peer, unless that is done, and generate its code."""
    wanted = "\n".join((*peer.packages, sources_of("codegen", "generated") if peer.compiled else ""))
    installed = peer.folder / "installed"
    if peer.packages and not (installed.exists() and installed.read_text() == wanted):
        _say(f"setting up {peer.name}")
        shutil.rmtree(peer.folder, ignore_errors=True)
        _run(sys.executable, "-m", "venv", str(peer.folder / "env"))
        pip = (str(peer.bin / "pip"), "install", "--quiet", "--disable-pip-version-check")
        _run(*pip, "-c", str(PROJECT / "constraints.txt"), *peer.packages, CEREBELUM_COMPILED=str(int(peer.compiled)))
        installed.write_text(wanted)
    shutil.rmtree(peer.generated, ignore_errors=True)
    peer.generated.mkdir(parents=True)
    if peer.plugin:
        template = peer.folder / "buf.gen.yaml"
        template.write_text(_TEMPLATE.format(plugin=peer.bin / peer.plugin, out=peer.generated, options=peer.options))
        _run(str(_BIN / "buf"), "generate", str(image()), "--template", str(template), *peer.generate)
    if peer.compiled:
        _run(str(peer.bin / "python"), "-m", "cerebelum_codegen.compiler", str(peer.generated))


def image() -> Path:
    """The descriptors of the contract and of `flat.proto`, built anew."""
    protos = CACHE / "protos"
    shutil.rmtree(protos, ignore_errors=True)
    shutil.copytree(PROJECT / "proto", protos)
    shutil.copy(Path(__file__).with_name("flat.proto"), protos)
    _run(str(_BIN / "buf"), "build", str(protos), "-o", str(_IMAGE))
    return _IMAGE


def command(peer: Peer) -> list[str]:
    """What starts the peer."""
    return [
        str(peer.bin / "python"),
        "-m",
        f"benchmarks.codec.peers.{peer.module}",
        str(peer.generated if peer.plugin else image()),
    ]


def _run(*words: str, **environment: str) -> None:
    path = os.pathsep.join((str(_BIN), os.environ.get("PATH", "")))
    given = {**os.environ, "PATH": path, **environment}
    done = subprocess.run(words, cwd=PROJECT, env=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
