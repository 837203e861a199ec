"""`python -m tests.simulation.planted.catching engine 1500 BUG ...`: which seed catches each bug.

The one that caught it when `kept` was written is tried first, and after it all others: a table that has grown old costs
time and hides no survivor. Each bug lives in a fork of a process that has imported what no bug is planted in: most of a
start is that. A world that does not end is caught as well.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from importlib import import_module
from typing import NoReturn

from tests.simulation.planted import kept
from tests.simulation.planted.planting import Bug, plant
from tests.simulation.seeds import play

_UNTOUCHED = (
    "apsw",
    "asyncio",
    "cerebelum_proto.control.v1.control_grpc",
    "cerebelum_proto.control.v1.lifecycle_grpc",
    "cerebelum_proto.events.v1.snapshot_pb",
    "cerebelum_proto.stream.v1.stream_grpc",
    "cerebelum_proto.worker.worker_service_grpc",
    "cerebelum_proto.worker.worker_service_markers",
)
_SURVIVED = "survived"
_LONGEST_S = 60.0
"""What a world takes that ends: a second."""


def survivors(kind: str, seeds: int, bugs: Sequence[Bug]) -> list[str]:
    """The bugs that no seed catches, each with what is known of it."""
    command = [sys.executable, "-m", "tests.simulation.planted.catching", kind, str(seeds)]
    run = subprocess.run(
        [*command, *(bug.name for bug in bugs)], capture_output=True, text=True, check=False, timeout=290
    )
    caught = [bug.name for bug in bugs if f"{bug.name}: seed " in run.stdout]
    return [] if len(caught) == len(bugs) else [run.stdout, run.stderr]


def main(kind: str, seeds: int, names: Sequence[str]) -> None:
    logging.disable(logging.CRITICAL)
    bugs: Sequence[Bug] = import_module(f"tests.simulation.{kind}.bugs").BUGS
    bugs = [bug for bug in bugs if not names or bug.name in names]
    for module in _UNTOUCHED:
        import_module(module)
    if not any(bug.module.startswith("cerebelum_engine") for bug in bugs):
        import_module("cerebelum_engine")
    for bug in bugs:
        child = os.fork()
        if not child:
            tell_first_catch(kind, dict.fromkeys([*kept.seeds_of(kind, bug), *range(seeds)]), bug)
        os.waitpid(child, 0)


def tell_first_catch(kind: str, seeds: Iterable[int], bug: Bug, longest_s: float = _LONGEST_S) -> NoReturn:
    """Print what catches a bug, and end this process."""
    plant(bug)
    for seed in seeds:
        # What loops would let no exception through.
        signal.signal(signal.SIGALRM, partial(_tell, bug, f"seed {seed}: it has not ended within {longest_s:g} s"))
        signal.setitimer(signal.ITIMER_REAL, longest_s)
        _, story = play(kind, seed)
        if story:
            _tell(bug, story.splitlines()[0])
    _tell(bug, _SURVIVED)


def _tell(bug: Bug, caught: str, *_: object) -> NoReturn:
    print(f"{bug.name}: {caught}", flush=True)  # noqa: T201  # whoever asked reads it
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
