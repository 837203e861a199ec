"""`python -m benchmarks engine | python -m benchmarks.engine.table`: its lines as the table of the docs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

Line = Mapping[str, str | float]


def table(lines: Iterable[Line]) -> Iterator[str]:
    """One row for each peer and way to start, grouped by what is in flight; ratios are to Restate, where it was run."""
    yield "| in flight | steps | engine | starts | steps/s | p50 / p99 ms | CPU ms a workflow | times Restate |"
    yield "|---|---|---|---|---|---|---|---|"
    ordered = sorted(lines, key=_place)
    for place, group in groupby(ordered, key=_place):
        rows = list(group)
        restate = next((float(row["steps_per_s"]) for row in rows if str(row["peer"]).startswith("restate")), 0.0)
        for row in rows:
            ratio = f"{float(row['steps_per_s']) / restate:.1f}" if restate else "-"
            yield (
                f"| {place[0]:,} | {place[1]} | {row['peer']}, {row['store']} | {row['starts']} "
                f"| {float(row['steps_per_s']):,.0f} | {float(row['p50_ms']):.1f} / {float(row['p99_ms']):.1f} "
                f"| {float(row['cpu_ms_per_wf']):.2f} | {ratio} |"
            )


def _place(line: Line) -> tuple[int, int]:
    return int(line["concurrency"]), int(line["steps"])


if __name__ == "__main__":
    found = [json.loads(line) for line in sys.stdin]
    print("\n".join(table(line for line in found if "steps_per_s" in line)))
