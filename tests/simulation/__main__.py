"""`python -m tests.simulation engine 0 100000`: plays every seed on every processor, and tells each that fails.

A failure ends nothing: its story is printed, the others are played, and the last line names all that failed.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from functools import partial
from multiprocessing import get_context

from tests.simulation.seeds import KINDS, play

_SHARE = 20
"""So many seeds a process takes at once."""
_REPORT_S = 60.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("first", type=int)
    parser.add_argument("end", type=int, help="the seed after the last one")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    given = parser.parse_args()
    failed, told_at, seeds = list[int](), time.monotonic(), range(given.first, given.end)
    with get_context("spawn").Pool(given.processes, logging.disable, (logging.CRITICAL,)) as pool:
        for played, (seed, story) in enumerate(pool.imap_unordered(partial(play, given.kind), seeds, _SHARE), 1):
            if story:
                failed.append(seed)
                _say(story)
            if time.monotonic() - told_at > _REPORT_S:
                told_at = time.monotonic()
                _say(f"{given.kind}: {played} worlds of {len(seeds)}, failed: {failed or 'none'}")
    _say(f"{given.kind}: {len(seeds)} worlds, failed: {sorted(failed) or 'none'}")
    return 1 if failed else 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  # a person waits for it


if __name__ == "__main__":
    sys.exit(main())
