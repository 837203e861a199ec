"""The account of a step leaves nothing out."""

from __future__ import annotations

import os

import pytest

from benchmarks.engine.loops import children_of
from benchmarks.engine.workflows import five
from benchmarks.profile.case import STEPS, Loop, account
from benchmarks.profile.loop import loop_us
from benchmarks.profile.parts import parts
from benchmarks.profile.table import Line, table

PROCESSES = {"core": 60.0, "writer": 15.0, "worker": 17.0, "caller": 8.0}


async def test_every_part_of_a_step_is_measured() -> None:
    measured = {part: took_us for _, part, took_us in await parts(1)}
    assert {"decide and evolve", "rows: encode each event", "run: each step"} <= measured.keys()
    assert all(took_us > 0 for took_us in measured.values())


async def test_a_loop_without_the_network_runs_every_workflow_to_its_end() -> None:
    before = children_of(os.getpid())
    assert await loop_us(five, 3, 20) > 0
    assert children_of(os.getpid()) == before, "its writer is gone with it"


async def test_the_rows_of_each_process_add_up_to_what_it_takes() -> None:
    rows = list(account(await parts(1), Loop(step=30.0, start_and_end=40.0), PROCESSES))
    for process, took_us in PROCESSES.items():
        assert sum(row[2] for row in rows if row[0] == process) == pytest.approx(took_us)
    assert rows[-1] == ("all", "the whole", 100.0)
    assert f"start and end of an execution, by {STEPS}" in {part for _, part, _ in rows}


def _line(peer: str, part: str, took_us: float, concurrency: int = 100) -> Line:
    return {"peer": peer, "where": "core", "part": part, "us_per_step": took_us, "concurrency": concurrency}


def test_a_table_holds_one_row_a_part_and_one_column_a_build() -> None:
    lines = [
        _line("cerebelum", "decode", 7.3),
        _line("cerebelum", "route", 4),
        _line("cerebelum, compiled", "decode", 1),
    ]
    assert list(table(lines)) == [
        "| where | part | µs a step, plain | µs a step, compiled |",
        "|---|---|---|---|",
        "| core | decode | 7.3 | 1.0 |",
        "| core | route | 4.0 | - |",
    ]


def test_several_numbers_in_flight_have_rows_of_their_own() -> None:
    rows = list(table([_line("cerebelum", "route", 4), _line("cerebelum", "route", 5, 1000)]))[2:]
    assert rows == ["| core, 100 in flight | route | 4.0 |", "| core, 1000 in flight | route | 5.0 |"]
