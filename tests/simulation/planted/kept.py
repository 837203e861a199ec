"""`python -m tests.simulation.planted.kept`: writes down, of the output of `catching`, which seed caught each bug.

python -m tests.simulation.planted.catching core 1000 | python -m tests.simulation.planted.kept core
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.simulation.planted.planting import Bug

_TABLE = Path(__file__).with_name("kept.json")
_CAUGHT = re.compile(r"(.+): seed (\d+): ")


def seeds_of(kind: str, bug: Bug) -> list[int]:
    """The seed that caught a bug. A bug that few worlds meet was planted where one of them once failed."""
    seed: int | None = json.loads(_TABLE.read_text())[kind].get(bug.name)
    return [] if seed is None else [seed]


def main(kind: str, told: Iterable[str]) -> None:
    table: dict[str, dict[str, int]] = json.loads(_TABLE.read_text())
    table[kind] |= {found[1]: int(found[2]) for line in told if (found := _CAUGHT.match(line))}
    _TABLE.write_text(json.dumps(table, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.stdin)
