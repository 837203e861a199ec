"""When a call is made again, and after which pauses."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cerebelum_codegen.runtime.rpc.errors import RpcError, StatusCode, Unprocessed


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Repeats calls of methods that their .proto file declares idempotent, and calls that never began.

    In a .proto file that is `option idempotency_level = IDEMPOTENT;`, or `NO_SIDE_EFFECTS`. No pause goes beyond the
    call's deadline, and a call whose answers or requests are a stream is not repeated once the first has passed.
    """

    attempts: int = 4
    first_pause_s: float = 0.05
    longest_pause_s: float = 1.0
    codes: frozenset[StatusCode] = frozenset({StatusCode.UNAVAILABLE})
    chance: Callable[[], float] = random.random
    """Spreads the pauses: each is this share of what it may be."""

    def pauses(self) -> Iterator[float]:
        """The pause after each attempt but the last."""
        longest_s = self.first_pause_s
        for _ in range(self.attempts - 1):
            yield longest_s * self.chance()
            longest_s = min(longest_s * 2, self.longest_pause_s)

    def covers(self, error: RpcError, *, idempotent: bool) -> bool:
        """Whether trying again may help, and cannot hurt."""
        return isinstance(error, Unprocessed) or (idempotent and error.code in self.codes)
