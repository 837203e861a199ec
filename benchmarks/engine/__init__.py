"""Whole workflows through a whole Core: `python -m benchmarks engine`."""
