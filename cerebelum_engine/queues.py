"""Queues: a step's tasks go to the workers that serve its queue. Its blueprint and its caller say which that is."""

from __future__ import annotations

import re

DEFAULT_QUEUE = "default"
"""Where a step goes when nobody says otherwise, and what a worker serves that names none."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,98}[A-Za-z0-9])?")


def queue_fault(name: str) -> str:
    """Why this cannot be the name of a queue, with its mend; empty when it can."""
    if _NAME.fullmatch(name):
        return ""
    shown = name if len(name) <= 40 else f"{name[:40]}..."
    return (
        f"queue '{shown}' is no name: give it 1 to 100 of the letters a-z and A-Z, digits, '.', '_', '-' and '/', "
        "and let it begin and end with a letter or digit"
    )
