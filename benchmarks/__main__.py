"""`python -m benchmarks codec`: JSON lines on standard output, what is going on on standard error."""

from __future__ import annotations

import argparse

from benchmarks.frame import CASES, Settings, run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("case", choices=sorted(CASES))
    parser.add_argument("--rounds", type=int, default=Settings.rounds, help="each figure is the median of so many")
    parser.add_argument("--round-ms", type=int, default=Settings.round_ms, help="how long a round takes")
    parser.add_argument("--only", nargs="+", default=[], metavar="PEER", help="measure these peers alone")
    parser.add_argument("--store", default="", metavar="URL", help="where the Core keeps things; a new SQLite file")
    parser.add_argument("--concurrency", nargs="+", type=int, default=Settings.concurrency, metavar="N")
    parser.add_argument("--embedded", action="store_true", help="the Core and the worker in one process")
    parser.add_argument("--count", type=int, default=Settings.count, help="executions that are stored, or sleep")
    parser.add_argument("--peers", type=lambda names: names.split(","), default=[], help="compiled,restate,dbos")
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


if __name__ == "__main__":
    main()
