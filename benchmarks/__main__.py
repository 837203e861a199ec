"""Measure one case: JSON lines on standard output, what is going on on standard error."""

from __future__ import annotations

import argparse

from benchmarks.calls.case import PEERS as RUNTIMES
from benchmarks.codec.environments import PEERS as CODECS
from benchmarks.engine.peers import PEERS as ENGINES
from benchmarks.frame import CASES, Settings, run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("case", choices=sorted(CASES))
    parser.add_argument(
        "--rounds", type=_above_zero, default=Settings.rounds, help="each figure is the median of so many"
    )
    parser.add_argument("--round-ms", type=_above_zero, default=Settings.round_ms, help="how long a round takes")
    alone = sorted({*RUNTIMES, *(peer.name for peer in CODECS)})
    parser.add_argument(
        "--only", nargs="+", default=[], choices=alone, metavar="PEER", help="of codec and calls: these alone"
    )
    parser.add_argument("--store", default="", metavar="URL", help="where the Core keeps things; a new SQLite file")
    parser.add_argument("--concurrency", nargs="+", type=_above_zero, default=Settings.concurrency, metavar="N")
    parser.add_argument("--embedded", action="store_true", help="the Core and the worker in one process")
    parser.add_argument(
        "--count", type=_above_zero, default=Settings.count, help="executions that are stored, or sleep"
    )
    parser.add_argument("--peers", type=_engines, default=[], metavar="PEER,...", help=",".join(ENGINES))
    given = parser.parse_args()
    settings = Settings(
        rounds=given.rounds,
        round_ms=given.round_ms,
        only=tuple(given.only),
        store=given.store,
        concurrency=tuple(given.concurrency),
        embedded=given.embedded,
        count=given.count,
        peers=tuple(given.peers),
    )
    run(given.case, settings)


def _above_zero(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _engines(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in ENGINES]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is none of {', '.join(ENGINES)}")
    return names


if __name__ == "__main__":
    main()
