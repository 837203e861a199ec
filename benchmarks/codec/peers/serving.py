"""A peer answers requests for rounds, line by line: peers then take turns within one run, under the same weather."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from time import process_time

from benchmarks.codec import payloads

Operation = Callable[[], object]
Offer = Callable[[str, dict[str, object]], Mapping[str, Operation]]
"""From a message's name and values to its operations; `decode_dict` gives back the values."""


def serve(offer: Offer) -> None:
    """Measure what the lines on standard input ask for."""
    operations = {
        (message, size): offer(message, payloads.values(message, size))
        for message, sizes in payloads.SIZES.items()
        for size in sizes
    }
    for (message, size), offered in operations.items():
        if "decode_dict" in offered and (got := offered["decode_dict"]()) != payloads.values(message, size):
            raise SystemExit(f"{message} {size} came back as {got}")
    counts: dict[tuple[str, str, str], int] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        key = (asked["message"], asked["size"], asked["op"])
        operation = operations[key[:2]][key[2]]
        if key not in counts:
            counts[key] = _calibrate(operation, asked["round_ms"] / 1_000)
        answer = _time(operation, counts[key]) / counts[key] * 1e6
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def attributes(names: Iterable[str]) -> Callable[[object], object]:
    """What reads them as code does, each by its name in the source: that is quicker than a getter."""
    reader: Callable[[object], object] = eval(f"lambda message: ({', '.join(f'message.{name}' for name in names)})")
    return reader


def _calibrate(operation: Operation, round_s: float) -> int:
    count = 1
    while (spent := _time(operation, count)) < round_s / 8:
        count *= 4
    return max(1, round(count * round_s / spent))


def _time(operation: Operation, count: int) -> float:
    """Seconds of CPU: the work waits for nothing, and what neighbours take is not its own."""
    gc.collect()
    gc.disable()
    started = process_time()
    for _ in range(count):
        operation()
    spent = process_time() - started
    gc.enable()
    return spent
