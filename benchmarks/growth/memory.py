"""How much memory a process has."""

from __future__ import annotations

from pathlib import Path


def rss_kb(pid: int) -> int:
    """What is resident of it."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])
