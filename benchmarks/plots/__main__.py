"""Reads figures as JSON lines from standard input and writes a plot for each case among them: `docs/plots/CASE.svg`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence

from benchmarks.frame import PROJECT
from benchmarks.plots.svg import Panel, svg

_Lines = Sequence[dict[str, object]]
_FOLDER = PROJECT / "docs" / "plots"


def main() -> None:
    lines: _Lines = [found for line in sys.stdin if "case" in (found := json.loads(line))]
    _FOLDER.mkdir(exist_ok=True)
    for case, panels in _PLOTS.items():
        if chosen := [line for line in lines if line["case"] == case]:
            path = _FOLDER / f"{case}.svg"
            path.write_text(svg(panels(chosen)))
            sys.stderr.write(f"wrote {path.relative_to(PROJECT)}\n")


def _sleepers(lines: _Lines) -> Sequence[Panel]:
    idle_mb = max(_number(line, "idle_core_rss_kb") for line in lines) / 1024
    memory = [(_number(line, "sleepers"), _number(line, "core_rss_kb") / 1024) for line in lines]
    disk = [(_number(line, "sleepers"), _number(line, "disk_bytes_each")) for line in lines]
    return (
        Panel(
            "Memory of a Core", "MB resident; broken line: an idle Core", memory, "sleeping executions", level=idle_mb
        ),
        Panel("Disk of a sleeper", "bytes each, SQLite", disk, "sleeping executions"),
    )


def _growth(lines: _Lines) -> Sequence[Panel]:
    def of(what: str, over: str, value: str) -> Sequence[tuple[float, float]]:
        return [(_number(line, over), _number(line, value)) for line in lines if line["what"] == what]

    stored, row, history = "stored executions", "steps of one execution", "events of one execution"
    return (
        Panel("Beside others", "CPU µs a step", of(stored, "stored", "cpu_us_per_step"), stored),
        Panel("In a long workflow", "CPU µs a step", of(row, "steps", "cpu_us_per_step"), row),
        Panel("Back into memory", "CPU ms an execution", of(history, "events", "cpu_ms_to_load"), history),
    )


def _timers(lines: _Lines) -> Sequence[Panel]:
    late = [
        (f"{_engine(line)}\n{_number(line, 'timers'):,.0f} in {_number(line, 'due_within_s'):g} s", line)
        for line in lines
    ]
    at_once = [(label, line) for label, line in late if line["due_within_s"] == 0]
    many = [(label, line) for label, line in late if line["due_within_s"] != 0]
    return tuple(
        Panel(title, "lateness, ms: the median and the 99th percentile", bars=_both(chosen))
        for title, chosen in (("Due at one instant", at_once), ("Due in one second", many))
        if chosen
    )


def _both(late: Sequence[tuple[str, dict[str, object]]]) -> Sequence[tuple[str, float]]:
    return [
        (f"{percentile} {label}", _number(line, f"late_{percentile}_ms"))
        for label, line in late
        for percentile in ("p50", "p99")
    ]


def _recovery(lines: _Lines) -> Sequence[Panel]:
    named = [(f"{_engine(line)}\n{line['killed']} killed", line) for line in lines]
    return (
        Panel(
            "Everything done", "s after the kill", bars=[(name, _number(line, "all_done_s")) for name, line in named]
        ),
        Panel("Run twice", "steps", bars=[(name, _number(line, "steps_run_twice")) for name, line in named]),
    )


def _engine(line: dict[str, object]) -> str:
    return str(line.get("peer", "cerebelum")).partition(" ")[0]


def _number(line: dict[str, object], name: str) -> float:
    value = line[name]
    if not isinstance(value, int | float):
        raise SystemExit(f"{name} is {value!r} in {line}")
    return float(value)


_PLOTS: dict[str, Callable[[_Lines], Sequence[Panel]]] = {
    "growth": _growth,
    "recovery": _recovery,
    "sleepers": _sleepers,
    "timers": _timers,
}

if __name__ == "__main__":
    main()
