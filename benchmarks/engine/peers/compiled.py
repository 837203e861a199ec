"""This project in its compiled build. Run in an environment that has it."""

from __future__ import annotations

import importlib
import json

from benchmarks.engine.loops import arguments
from benchmarks.frame import CASES, Settings
from cerebelum_engine import moves

if __name__ == "__main__":
    if moves.__file__.endswith(".py"):
        raise SystemExit("the engine that is installed here is not compiled: remove the environment and run it again")
    told = arguments()
    settings = Settings(
        rounds=told.rounds,
        concurrency=tuple(told.concurrency),
        store=told.store,
        embedded=told.embedded,
        count=told.count,
    )
    for figure in importlib.import_module(CASES[told.case]).our_figures(settings):
        named = {"peer": f"{figure['peer']}, compiled"}
        print(json.dumps({**figure, **named}), flush=True)
