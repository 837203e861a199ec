"""How much memory a process has."""

from __future__ import annotations

from pathlib import Path

from benchmarks.engine.loops import children_of


def rss_kb(pid: int) -> int:
    """What is resident of it and of its children."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    own = int(next(line for line in lines if line.startswith("VmRSS")).split()[1])
    return own + sum(map(rss_kb, children_of(pid)))
