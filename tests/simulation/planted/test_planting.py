"""Every planted bug still has its place in the source: quick to see, long before its worlds are played."""

from __future__ import annotations

import importlib.util
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
