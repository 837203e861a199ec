"""What a step can know about its run."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from cerebelum.lifeline import Lifeline

_Inputs = TypeVar("_Inputs")


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
    _lifeline: Lifeline = field(default_factory=Lifeline, repr=False, compare=False)

    @property
    def cancelled(self) -> bool:
        """Whether the step was told to stop. A plain `def` looks here; an `async def` is cancelled by itself."""
        return self._lifeline.cancelled

    def heartbeat(self) -> Awaitable[None]:
        """A sign of life: the step's `heartbeat_timeout` begins anew.

        `await context.heartbeat()` in an `async def` also asks the Core at once whether the step still counts, and
        cancels it here when it does not. A plain `def`, which runs in a thread, calls it without `await`. The lease
        itself is kept by the worker, as long as its event loop runs.

        Raises:
            asyncio.CancelledError: in a thread, when the step was told to stop. Clean up, and let it pass.
        """
        return self._lifeline.beat()
