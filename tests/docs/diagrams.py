"""Draws, as Mermaid, what becomes of steps and executions: by trying every command in whatever state small
workflows come to.

`python -m tests.docs.diagrams` writes the diagrams into docs/meaning.md anew.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tests.docs.exploring import Explorer
from tests.docs.worlds import worlds

PAGE = Path(__file__).parents[2] / "docs/meaning.md"
_MOST = 4_000
"""So many states of each world are looked at; those behind them show nothing new."""


@cache
def explored() -> Explorer:
    """What the diagrams show."""
    explorer = Explorer()
    for world in worlds():
        explorer.explore(world, _MOST)
    return explorer


def drawn() -> dict[str, str]:
    """The diagrams by their names."""
    explorer = explored()
    return {"steps": _mermaid(explorer.steps), "executions": _mermaid(explorer.executions)}


def _mermaid(edges: set[tuple[str, str, str]]) -> str:
    labels: dict[tuple[str, str], list[str]] = {}
    for source, target, fact in sorted(edges):
        labels.setdefault((source, target), []).append(fact)
    lines = [f"    {source} --> {target}: {', '.join(facts)}" for (source, target), facts in labels.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"])


def with_diagrams(page: str) -> str:
    """The page with its diagrams drawn anew."""
    for name, diagram in drawn().items():
        begin, end = f"<!-- diagram: {name} -->\n", "\n<!-- end -->"
        head, _, rest = page.partition(begin)
        page = head + begin + diagram + end + rest.partition(end)[2]
    return page


if __name__ == "__main__":
    PAGE.write_text(with_diagrams(PAGE.read_text()))
