"""The blocks of a page, and the whole that they make where they stand in what is written around them."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import indent

PROJECT = Path(__file__).parents[2]
PAGES = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").glob("*.md")])
AROUND = Path(__file__).parent / "around"


def blocks(page: Path, language: str) -> list[str]:
    """What a page shows in a language, block by block."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def rows(page: Path, kind: str) -> list[list[str]]:
    """The rows of every table of a kind, each as its cells."""
    tables = re.findall(rf"<!-- rows: {kind} -->\n((?:\|.*\n)+)", page.read_text())
    lines = [line for table in tables for line in table.splitlines()[2:]]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]


def code(cell: str) -> list[str]:
    """The pieces of code in a cell."""
    return [(double or single).replace("\\|", "|") for double, single in re.findall(r"``(.+?)``|`(.+?)`", cell)]


def whole(page: Path, around: Path, language: str = "python") -> str:
    """A file of `around/` in which each block of the page stands where its number says."""
    left = dict(enumerate(blocks(page, language), 1))
    room = re.compile(r"^( *)(?:#|//) block (\d+)\n", re.MULTILINE)
    text = room.sub(lambda found: indent(left.pop(int(found[2])), found[1]), around.read_text())
    assert not left, f"{around.name} has no room for blocks {list(left)} of {page.name}"
    return text
