"""Ids that sort by the time they were made: rows written together lie together."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from cerebelum_core.clock import Clock

RandomBytes = Callable[[int], bytes]
"""Gives so many random bytes; `secrets.token_bytes` in real life."""


def uuid7(clock: Clock, random_bytes: RandomBytes) -> str:
    """A UUID of version 7: 48 bits of Unix milliseconds, then random ones (RFC 9562)."""
    milliseconds = clock.now().to_ns() // 1_000_000
    number = milliseconds << 80 | int.from_bytes(random_bytes(10))
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=number))
