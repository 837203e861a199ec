"""The page about a workflow, on a terminal."""

from __future__ import annotations

from cerebelum_cli.page import for_terminal
from tests.sdk.test_describing import till


def test_a_page_on_a_terminal_has_columns_and_the_timeline_it_draws() -> None:
    lines = list(for_terminal(till.blueprint))
    assert "  count >> look >> close" in lines
    assert not [line for line in lines if "`" in line or "-->" in line or "---" in line]
    head = next(line for line in lines if line.startswith("  step  "))
    row = next(line for line in lines if line.startswith("  count  "))
    assert row[head.index("what it does") :].startswith("Counts coins | notes.")
    assert row[head.index("policy") :].startswith("4 tries, 1s to 4s apart")
