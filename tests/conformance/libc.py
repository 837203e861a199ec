"""A newer C library beside the machine's own, for a program that needs one. Nothing of the machine is changed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

RELEASE = "trixie"
PACKAGES = ("libc6", "libstdc++6", "libgcc-s1")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Unavailable(Exception):
    """Why something cannot be had on this machine."""


def loader(folder: Path) -> list[str]:
    """The start of a command that runs a program with the newer library, unpacked into the folder.

    Raises:
        Unavailable: this is no Debian, or its archive cannot be reached.
    """
    root = folder / "root"
    if not root.is_dir():
        _unpack(folder, root)
    dynamic = next(root.rglob("ld-linux-*.so.*"), None)
    if dynamic is None:
        raise Unavailable(f"the packages of {RELEASE} hold no dynamic loader")
    return [str(dynamic), "--library-path", str(next(root.rglob("libc.so.6")).parent)]


def _unpack(folder: Path, root: Path) -> None:
    if shutil.which("apt-get") is None:
        raise Unavailable("it needs a newer C library than this machine's, and only Debian's packages are known here")
    for part in ("lists/partial", "archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "sources.list").write_text(f"deb [signed-by={KEYRING}] {_archive()} {RELEASE} main\n")
    apart = [
        f"-oDir::Etc::SourceList={folder}/sources.list",
        "-oDir::Etc::SourceParts=/dev/null",
        f"-oDir::State::Lists={folder}/lists",
        f"-oDir::Cache={folder}",
    ]
    _run(["apt-get", *apart, "update"], folder)
    _run(["apt-get", *apart, "download", *PACKAGES], folder)
    for package in folder.glob("*.deb"):
        _run(["dpkg-deb", "-x", package.name, f"{root.name}.new"], folder)
    (folder / f"{root.name}.new").rename(root)


def _archive() -> str:
    """The archive that this machine takes its packages from."""
    listed = _run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CREATED_BY)"], Path("/"))
    found = [line.split()[0] for line in listed.splitlines() if line.endswith("/debian/ Packages")]
    if not found:
        raise Unavailable("it needs a newer C library than this machine's, which has no Debian archive to take it from")
    return found[0]


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise Unavailable(f"{command[0]} failed: {done.stderr.strip()[-300:]}")
    return done.stdout
