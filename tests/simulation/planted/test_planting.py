"""Every planted bug still has its place in the source: quick to see, long before its worlds are played."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.core import bugs as core
from tests.simulation.engine import bugs as engine
from tests.simulation.planted.planting import Bug


@pytest.mark.parametrize("bug", [*engine.BUGS, *core.BUGS], ids=lambda bug: bug.name)
def test_the_snippet_of_a_bug_stands_in_its_module_once(bug: Bug) -> None:
    spec = importlib.util.find_spec(bug.module)
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).with_suffix("").with_suffix(".py").read_text()
    compile(bug.applied_to(source), spec.origin, "exec")


_ENDLESS = """
from tests.simulation.planted.catching import tell_first_catch
from tests.simulation.planted.planting import Bug

signature = "def task_id(execution_id: str, step: str, visit: StepState) -> str:\\n"
bug = Bug("a loop", "cerebelum_engine.visit", signature, signature + "    while True: pass\\n")
tell_first_catch("engine", [7], bug, longest_s=0.2)
"""


def test_a_bug_that_lets_no_world_end_is_caught() -> None:
    run = subprocess.run([sys.executable, "-c", _ENDLESS], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout == "a loop: seed 7: it has not ended within 0.2 s\n"
