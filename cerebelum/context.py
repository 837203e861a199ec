"""What a step can know about its run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_Inputs = TypeVar("_Inputs")


async def _no_heartbeat() -> None:
    """A local run has no lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context(Generic[_Inputs]):
    """Handed to a step that has a parameter `context`. Annotate it `Context[MyInputs]` to type `inputs`."""

    inputs: _Inputs
    """What the execution was started with."""
    execution_id: str = ""
    workflow_name: str = ""
    step_name: str = ""
    attempt: int = 1
    """Which try this is, from 1."""
    _beat: Callable[[], Awaitable[None]] = field(default=_no_heartbeat, repr=False, compare=False)

    async def heartbeat(self) -> None:
        """Tell the Core that the step is alive, and learn whether it still counts.

        The worker does so by itself while the step awaits; a step that computes for long calls it in between. When
        the task has moved on (cancelled, or its lease ended), the step is cancelled here.
        """
        await self._beat()
