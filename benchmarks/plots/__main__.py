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

    stored, behind, history = "stored executions", "steps behind a step", "events of one execution"
    return (
        Panel("Beside stored executions", "CPU µs a step", of(stored, "stored", "cpu_us_per_step"), stored),
        Panel("In a long workflow", "CPU µs a step", of(behind, "to", "cpu_us_per_step"), behind),
        Panel("To come back into memory", "CPU ms an execution", of(history, "events", "cpu_ms_to_load"), history),
    )


def _timers(lines: _Lines) -> Sequence[Panel]:
    at_once = [line for line in lines if line["due_within_s"] == 0]
    many = [line for line in lines if line["due_within_s"] != 0]
    return tuple(
        Panel(f"{_number(chosen[0], 'timers'):,.0f} due {when}", "lateness, ms", bars=_late(chosen))
        for when, chosen in (("at one instant", at_once), ("in one second", many))
        if chosen
    )


def _late(lines: _Lines) -> Sequence[tuple[str, float]]:
    return [
        (f"{percentile}\n{_engine(line)}", _number(line, f"late_{percentile}_ms"))
        for line in lines
        for percentile in ("p50", "p99")
    ]


def _recovery(lines: _Lines) -> Sequence[Panel]:
    named = [(f"{line['killed']}\n{_engine(line)}", line) for line in lines]
    done, twice = ([(name, _number(line, each)) for name, line in named] for each in ("all_done_s", "steps_run_twice"))
    return (
        Panel("From the kill until all is done", "seconds", bars=done),
        Panel("Run twice after a kill", "steps", bars=twice),
    )


def _engine(line: dict[str, object]) -> str:
    """Which build of ours, or which other engine."""
    peer, _, build = str(line.get("peer", "cerebelum")).partition(", ")
    return build or ("plain" if peer == "cerebelum" else peer.partition(" ")[0])


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
