"""When a caller gives up, and how that is told to whoever works for it.

A deadline belongs to everything that is done for a call: a stub that is used inside a server's method passes on what
remains, also from tasks that the method starts.
"""

from __future__ import annotations

import asyncio
import math
import re
from contextvars import ContextVar
from dataclasses import dataclass

_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])")
_MOST_MS = 99_999_999


@dataclass(frozen=True, slots=True, order=True)
class Deadline:
    """A moment of the running loop's clock."""

    at_s: float

    @classmethod
    def after(cls, timeout_s: float) -> Deadline:
        """So many seconds from now."""
        return cls(asyncio.get_running_loop().time() + timeout_s)

    def remaining_s(self) -> float:
        """Seconds until then; 0 when it has passed."""
        return max(self.at_s - asyncio.get_running_loop().time(), 0.0)


current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)
"""The deadline of the call that is being served here."""


def inherited(timeout_s: float | None) -> Deadline | None:
    """The deadline of a call that is made here: its own, or that of the call being served when it is earlier."""
    given = (current.get(), None if timeout_s is None else Deadline.after(timeout_s))
    return min((each for each in given if each is not None), default=None)


def parse_timeout(text: str) -> float:
    """Seconds of a `grpc-timeout` header.

    Raises:
        ValueError: it is none.
    """
    found = _TIMEOUT.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text[:20]}' is no timeout: at most 8 digits and one of the units H, M, S, m, u, n")
    return int(found[1]) * _UNITS[found[2]]


def format_timeout(seconds: float) -> str:
    """A `grpc-timeout` header, rounded up: the server never gives up before the caller does."""
    if seconds * 1000 < 1:
        return f"{math.ceil(seconds * 1e6)}u"
    if seconds * 1000 <= _MOST_MS:
        return f"{math.ceil(seconds * 1000)}m"
    return f"{min(math.ceil(seconds), _MOST_MS)}S"
