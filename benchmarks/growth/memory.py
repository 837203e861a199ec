"""How much memory a process has."""

from __future__ import annotations

from pathlib import Path


def rss_kb(pid: int) -> int:
    """What is resident of it and of its children."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    children = [
        child for each in Path(f"/proc/{pid}/task").iterdir() for child in (each / "children").read_text().split()
    ]
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) + sum(
        map(rss_kb, map(int, children))
    )
