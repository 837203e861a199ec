"""Those who wait for the end of an execution: each is called once, when it is durable, without reading a history."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from cerebelum_engine import State

OnEnd: TypeAlias = Callable[[State], None]


class Endings:
    """Who waits for which execution."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[OnEnd]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def wait(self, execution_id: str, on_end: OnEnd) -> None:
        """Call back when the execution ends."""
        self._waiting.setdefault(execution_id, []).append(on_end)

    def forget(self, execution_id: str, on_end: OnEnd) -> None:
        """Do not call back any more; also fine when it was called."""
        waiting = self._waiting.get(execution_id, [])
        if on_end in waiting:
            waiting.remove(on_end)
            if not waiting:
                del self._waiting[execution_id]

    def ended(self, state: State) -> None:
        """An execution has ended in this state."""
        for on_end in self._waiting.pop(state.execution_id, ()):
            on_end(state)
