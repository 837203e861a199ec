"""What users write passes `mypy --strict`, and what cannot work is refused by it where that can be known."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "typing"
MYPY = pytest.mark.xdist_group("mypy")  # all of them share its cache, in which there is one module of a name


@pytest.fixture(scope="module")
def checked() -> dict[str, set[int]]:
    """The lines of each file that mypy finds wrong."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(PROJECT / "pyproject.toml")]
    done = subprocess.run(
        [*command, str(HERE / "accepted.py"), str(HERE / "rejected.py")],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, set[int]] = {"accepted.py": set(), "rejected.py": set()}
    for name, line in re.findall(r"(\w+\.py):(\d+): error:", done.stdout):
        found[name].add(int(line))
    return found


@MYPY
def test_what_the_guide_shows_is_accepted(checked: dict[str, set[int]]) -> None:
    assert checked["accepted.py"] == set()


@MYPY
def test_each_line_that_is_marked_wrong_is_refused_and_no_other(checked: dict[str, set[int]]) -> None:
    lines = (HERE / "rejected.py").read_text().splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    assert len(wrong) >= 8
    assert checked["rejected.py"] == wrong
