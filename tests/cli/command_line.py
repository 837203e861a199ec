"""Runs `cerebelum` as a person or a script does: a process, its exit code, its two streams."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

LONGEST_S = 40.0
"""A bound, not an expectation."""


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


def cerebelum(*arguments: str, folder: Path, stdin: str = "", **environment: str) -> Ran:
    """Run a command in a folder."""
    return python("-m", "cerebelum_cli", *arguments, folder=folder, stdin=stdin, **environment)


def python(*arguments: str, folder: Path, stdin: str = "", **environment: str) -> Ran:
    """Run a program in a folder. Whatever it is told, a person is never shown a traceback."""
    ran = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
        env={**os.environ, **environment},
    )
    assert "Traceback" not in ran.stderr + ran.stdout, ran.stderr
    return Ran(ran.returncode, ran.stdout, ran.stderr)
