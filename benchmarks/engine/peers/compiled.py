"""This project in its compiled build. Run in an environment that has it."""

from __future__ import annotations

import json

from benchmarks.engine.case import our_figures
from benchmarks.engine.loops import arguments
from benchmarks.frame import Settings
from cerebelum_engine import moves

if __name__ == "__main__":
    if moves.__file__.endswith(".py"):
        raise SystemExit("the engine that is installed here is not compiled: remove the environment and run it again")
    told = arguments()
    settings = Settings(
        rounds=told.rounds, concurrency=tuple(told.concurrency), store=told.store, embedded=told.embedded
    )
    for figure in our_figures(settings):
        named = {"peer": f"{figure['peer']}, compiled"}
        print(json.dumps({**figure, **named}), flush=True)
