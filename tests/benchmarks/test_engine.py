"""The engine's benchmarks run, and say what they found."""

from __future__ import annotations

from benchmarks.engine import ours
from benchmarks.engine.loops import closed_loop, figure_of
from benchmarks.engine.table import Line, table
from benchmarks.frame import Figure, medians


async def test_every_workload_runs_to_its_expected_end() -> None:
    async with ours.embedded("memory://", 4) as stack:
        for one in (
            stack.call_one,
            stack.call_five,
            stack.stream_five,
            stack.stream_slow_five,
            stack.stream_large_five,
        ):
            found = await closed_loop(one, 2, 0.01)
            assert figure_of([found], 5)["wf_per_s"] > 0


def test_a_table_holds_one_row_a_line_and_the_ratio_to_restate() -> None:
    line: Line = {"concurrency": 100, "steps": 5, "store": "sqlite", "starts": "batched", "p50_ms": 1, "p99_ms": 2}
    ours_line = {**line, "peer": "cerebelum", "steps_per_s": 3000, "cpu_ms_per_wf": 1}
    theirs = {**line, "peer": "restate 1", "steps_per_s": 1000, "cpu_ms_per_wf": 6}
    rows = list(table([ours_line, theirs]))[2:]
    assert [row.rsplit("|", 2)[1].strip() for row in rows] == ["3.0", "1.0"]


def test_a_figure_of_several_rounds_is_the_median_of_each_number_that_is_not_always_the_same() -> None:
    rounds: list[list[Figure]] = [
        [{"peer": "ours", "concurrency": 100, "steps_per_s": figure}, {"peer": "theirs", "p99_ms": None}]
        for figure in (3.0, 1.0, 8.0)
    ]
    assert list(medians(rounds)) == [
        {"peer": "ours", "concurrency": 100, "steps_per_s": 3.0},
        {"peer": "theirs", "p99_ms": None},
    ]
