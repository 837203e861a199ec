"""`python -m benchmarks profile | python -m benchmarks.profile.table`: its lines as the table of the docs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping

Line = Mapping[str, str | float]


def table(lines: Iterable[Line]) -> Iterator[str]:
    """One row for each part, one column for each build; of several numbers in flight, each has rows of its own."""
    parts: dict[tuple[str, str], dict[str, float]] = {}
    found = list(lines)
    several = len({line["concurrency"] for line in found}) > 1
    for line in found:
        where = f"{line['where']}, {line['concurrency']} in flight" if several else str(line["where"])
        parts.setdefault((where, str(line["part"])), {})[str(line["peer"])] = float(line["us_per_step"])
    builds = list(dict.fromkeys(str(line["peer"]) for line in found))
    named = [build.partition(", ")[2] or "plain" for build in builds]
    yield f"| where | part | {' | '.join(f'µs a step, {name}' for name in named)} |"
    yield "|---" * (2 + len(builds)) + "|"
    for (where, part), took_us in parts.items():
        cells = (f"{took_us[build]:.1f}" if build in took_us else "-" for build in builds)
        yield f"| {where} | {part} | {' | '.join(cells)} |"


if __name__ == "__main__":
    told = [json.loads(line) for line in sys.stdin]
    print("\n".join(table(line for line in told if "us_per_step" in line)))
