"""A crash in one execution harms no other: it is built again, within a budget, and then set aside."""

from __future__ import annotations

import logging
from collections import deque

from cerebelum_core.clock import Clock
from cerebelum_core.errors import Quarantined

RESTARTS = 3
"""How often one execution may crash ..."""
WINDOW_S = 60
"""... within so many seconds, before it is set aside."""

_log = logging.getLogger(__name__)


class Supervisor:
    """Counts crashes by execution."""

    def __init__(self, clock: Clock, *, restarts: int = RESTARTS, window_s: int = WINDOW_S) -> None:
        self._clock = clock
        self._restarts = restarts
        self._window_ns = window_s * 1_000_000_000
        self._crashes: dict[str, deque[int]] = {}
        self._quarantined: dict[str, str] = {}

    def crashed(self, execution_id: str, error: Exception) -> bool:
        """Note a crash. True: build the execution again. False: it is set aside from now on."""
        now_ns = self._clock.now().to_ns()
        recent = self._crashes.pop(execution_id, deque())
        self._crashes[execution_id] = recent
        recent.append(now_ns)
        while recent[0] < now_ns - self._window_ns:
            recent.popleft()
        self._forgive(now_ns)
        if len(recent) <= self._restarts:
            _log.warning("execution %s crashed and is built again: %r", execution_id, error)
            return True
        self._quarantined[execution_id] = f"{type(error).__name__}: {error}"
        _log.error("execution %s is set aside: it crashed %d times", execution_id, len(recent), exc_info=error)
        return False

    def is_healthy(self, execution_id: str) -> bool:
        """Whether an execution may be touched."""
        return execution_id not in self._quarantined

    def _forgive(self, now_ns: int) -> None:
        """Forget executions that have not crashed for long; the oldest of them stand first."""
        for execution_id in list(self._crashes):
            if self._crashes[execution_id][-1] >= now_ns - self._window_ns:
                return
            del self._crashes[execution_id]

    def require_healthy(self, execution_id: str) -> None:
        """Refuse to touch an execution that was set aside.

        Raises:
            Quarantined: it names the last crash.
        """
        reason = self._quarantined.get(execution_id)
        if reason is not None:
            raise Quarantined(
                f"execution {execution_id!r} is set aside after {self._restarts + 1} crashes ({reason}); "
                "its history is untouched: start the Core again to try once more"
            )
