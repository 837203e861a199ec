"""The page about a workflow for a terminal: its tables aligned, its diagram as the timeline that it draws."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from cerebelum_cli.printable import printable
from cerebelum_engine.page import page
from cerebelum_engine.paths import stages_of
from cerebelum_engine.spelling import composition
from cerebelum_proto.worker.worker_service_pb import Blueprint, WorkflowDefinition

_CELLS = re.compile(r"(?<!\\)\|")


def for_terminal(blueprint: Blueprint) -> Iterator[str]:
    """The lines of the page. Nothing of what they tell is left that a terminal would obey."""
    rows: list[list[str]] = []
    drawn = False
    for line in page(blueprint).splitlines():
        if line.startswith("|"):
            rows.append([_bare(cell) for cell in _CELLS.split(line)[1:-1]])
            continue
        yield from _aligned(rows)
        rows = []
        if line.startswith("```"):
            yield from (() if drawn else [f"  {_timeline(blueprint.definition or WorkflowDefinition())}"])
            drawn = not drawn
        elif not drawn:
            yield click.style(_bare(line.lstrip("# ")), bold=True) if line.startswith("#") else _bare(line)
    yield from _aligned(rows)


def _timeline(definition: WorkflowDefinition) -> str:
    return printable(composition(stages_of(definition)))


def _bare(text: str) -> str:
    return printable(text.strip().replace("\\|", "|").replace("`", ""))


def _aligned(rows: list[list[str]]) -> Iterator[str]:
    """A table of Markdown, whose second row only parts its head from the rest."""
    shown = [row for at, row in enumerate(rows) if at != 1 and any(row)]
    widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]))] if shown else []
    for row in shown:
        yield ("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip()
