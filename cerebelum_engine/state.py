"""The state of an execution: a value folded from its history. Whoever holds one sees it never change.

`evolve` alone writes, and only to copies that nobody else has seen yet. The classes are not frozen for that reason: a
step of a workflow copies one state and two visits, and a frozen class would have each member set by a call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine.blueprint import Blueprint
from cerebelum_engine.copying import copied
from cerebelum_engine.steps import Steps
from cerebelum_proto.events.v1.events_pb import (
    CancellationRequested,
    ExecutionForked,
    ExecutionPaused,
    ExecutionStarted,
)
from cerebelum_proto.types.v1.types_pb import Failure, RetryPolicy
from cerebelum_proto.worker.worker_service_pb import ExecutionState, Signal

_RUNNING: Final = ExecutionState.EXECUTION_RUNNING


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How an execution ends: with a failure of a step, or with the results of steps."""

    step: str = ""
    failure: Failure | None = None
    result_steps: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class State:
    """An execution as its history tells it. `version` counts the events folded so far."""

    blueprint: Blueprint
    execution_id: str = ""
    version: int = 0
    status: ExecutionState = ExecutionState.EXECUTION_STATE_UNSPECIFIED
    """UNSPECIFIED before the start, then RUNNING until one of COMPLETED, FAILED and CANCELLED."""
    started: ExecutionStarted | None = None
    started_at: Timestamp | None = None
    ended_at: Timestamp | None = None
    deadline: Timestamp | None = None
    """When it fails if it has not ended by then."""
    paused: ExecutionPaused | None = None
    paused_at: Timestamp | None = None
    cancelling: CancellationRequested | None = None
    """Somebody wants it to end; these steps may clean up first."""
    forked: ExecutionForked | None = None
    """Whose history it began with."""
    steps: Steps = field(default_factory=Steps)
    open: tuple[str, ...] = ()
    """The steps that are under way, in the order in which they were entered."""
    leaving: tuple[str, ...] = ()
    """The steps whose outcome leads elsewhere than onward, until the execution has gone there."""
    ending: Ending | None = None
    """What it comes to, once that is clear: the event that says so comes next."""
    signals: tuple[Signal, ...] = ()
    """Those that came and that nothing has waited for yet, in their order."""
    signal_ids: Mapping[str, str] = field(default_factory=dict)
    """The ids of signals that came, the last ones, each with the signal's name."""
    result_steps: tuple[str, ...] = ()
    """When it has completed, the steps whose results are the execution's."""
    failed_step: str = ""
    failure: Failure | None = None

    def copied(self) -> State:
        """A copy to be changed; its steps are still shared."""
        return copied(self)

    def queue_of(self, step: str) -> str:
        """Where a step's tasks go."""
        told = self.started.queue if self.started is not None else ""
        return told or self.blueprint.steps[step].queue

    def retry_of(self, step: str) -> RetryPolicy:
        """How a step is tried again."""
        told = self.started.retries.get(step) if self.started is not None else None
        return told or self.blueprint.steps[step].retry

    @property
    def running(self) -> bool:
        """Whether it has started and not ended."""
        return self.status is _RUNNING

    @property
    def failed(self) -> bool:
        """Whether it has ended in a failure."""
        return self.status is ExecutionState.EXECUTION_FAILED

    @property
    def ended(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.started is not None and not self.running


def new(blueprint: Blueprint) -> State:
    """The state before any event."""
    return State(blueprint=blueprint)
