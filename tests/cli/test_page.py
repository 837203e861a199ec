"""The page about a workflow, on a terminal."""

from __future__ import annotations

import click

from cerebelum_cli.page import for_terminal
from cerebelum_proto.worker.worker_service_pb import Blueprint, Description, Step, WorkflowDefinition
from tests.sdk.test_describing import till


def test_a_page_on_a_terminal_has_columns_and_the_timeline_it_draws() -> None:
    lines = list(for_terminal(till.blueprint))
    assert "  count >> look >> close" in lines
    assert not [line for line in lines if "`" in line or "-->" in line or "---" in line]
    head = next(line for line in lines if line.startswith("  step  "))
    row = next(line for line in lines if line.startswith("  count  "))
    assert row[head.index("what it does") :].startswith("Counts coins | notes.")
    assert row[head.index("policy") :].startswith("4 tries, 1s to 4s apart")


def test_what_a_terminal_would_obey_is_spelled_out_in_what_is_told_and_the_headings_stay_bold() -> None:
    told = Description(doc="Pays \x1b[2J.")
    definition = WorkflowDefinition(timeline=[Step(name="a\x1b[31m")])
    lines = list(for_terminal(Blueprint(workflow_module="pay\x07", definition=definition, description=told)))
    assert lines[0] == click.style(r"pay\x07", bold=True)
    assert r"Pays \x1b[2J." in lines
    assert "\x1b[31m" not in "\n".join(lines)
