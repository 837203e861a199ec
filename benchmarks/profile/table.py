"""`python -m benchmarks profile | python -m benchmarks.profile.table`: its lines as the table of the docs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping

Line = Mapping[str, str | float]


def table(lines: Iterable[Line]) -> Iterator[str]:
    """One row for each part, one column for each build."""
    parts: dict[tuple[str, str], dict[str, float]] = {}
    for line in lines:
        parts.setdefault((str(line["where"]), str(line["part"])), {})[str(line["peer"])] = float(line["us_per_step"])
    builds = list(dict.fromkeys(peer for found in parts.values() for peer in found))
    named = [build.partition(", ")[2] or "plain" for build in builds]
    yield f"| where | part | {' | '.join(f'µs a step, {name}' for name in named)} |"
    yield "|---" * (2 + len(builds)) + "|"
    for (where, part), found in parts.items():
        cells = (f"{found[build]:.1f}" if build in found else "-" for build in builds)
        yield f"| {where} | {part} | {' | '.join(cells)} |"


if __name__ == "__main__":
    found = [json.loads(line) for line in sys.stdin]
    print("\n".join(table(line for line in found if "us_per_step" in line)))
