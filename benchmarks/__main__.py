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
    given = parser.parse_args()
    run(given.case, Settings(rounds=given.rounds, round_ms=given.round_ms, only=tuple(given.only)))


if __name__ == "__main__":
    main()
