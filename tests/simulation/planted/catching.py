"""`python -m tests.simulation.planted.catching engine 1500 BUG ...`: which seed catches each bug.

The one that caught it when `kept` was written is tried first, and after it all others: a table that has grown old costs
time and hides no survivor. Each bug lives in a fork of a process that has imported what no bug is planted in: most of a
start is that.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module

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
            print(f"{bug.name}: {_first_catch(kind, seeds, bug)}", flush=True)  # noqa: T201  # whoever asked reads it
            os._exit(0)
        os.waitpid(child, 0)


def _first_catch(kind: str, seeds: int, bug: Bug) -> str:
    plant(bug)
    for seed in dict.fromkeys([*kept.seeds_of(kind, bug), *range(seeds)]):
        _, story = play(kind, seed)
        if story:
            return story.splitlines()[0]
    return _SURVIVED


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
