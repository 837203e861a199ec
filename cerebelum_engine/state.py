"""The state of an execution: a value folded from its history, never changed in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine.blueprint import Blueprint
from cerebelum_engine.paths import TIMELINE
from cerebelum_engine.rules import Route
from cerebelum_proto.events.v1.events_pb import (
    ApprovalRequested,
    CancellationRequested,
    ExecutionForked,
    ExecutionPaused,
    ExecutionStarted,
    SleepStarted,
)
from cerebelum_proto.types.v1.types_pb import Failure, Payload
from cerebelum_proto.worker.worker_service_pb import ExecutionState, SatisfiedMarker


class Phase(Enum):
    """Where a visit of a step stands."""

    READY = "ready"
    """A worker is owed the task, or has it."""
    RETRYING = "retrying"
    """A try failed; the next begins when its pause is over."""
    SLEEPING = "sleeping"
    AWAITING_APPROVAL = "awaiting_approval"
    DEAD_LETTERED = "dead_lettered"
    """It kept losing its workers; somebody must say that it may be tried again."""
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    """It was told to stop, and has."""
    SKIPPED = "skipped"
    """A rule passed over it."""
    FORGOTTEN = "forgotten"
    """A rule went back before it; what it had given is gone."""

    @property
    def closed(self) -> bool:
        """Whether this visit has its one recorded result."""
        return self in (Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED)

    @property
    def open(self) -> bool:
        """Whether this visit is under way."""
        return not self.closed and self not in (Phase.SKIPPED, Phase.FORGOTTEN)


@dataclass(frozen=True, kw_only=True)
class StepState:
    """One visit of one step."""

    phase: Phase = Phase.READY
    visit: int = 1
    path: str = TIMELINE
    """The path that it stands on in this visit."""
    route: Route | None = None
    """Where the rules of the step lead from its outcome; None where they say nothing."""
    taken: bool = False
    """Whether the execution has gone on along the route, at least onto its path."""
    passed: bool = False
    """Whether what waits for it may begin."""
    failures: int = 0
    """Tries that ended in a failure that is retried."""
    losses: int = 0
    """Tries whose worker fell silent."""
    forgiven: int = 0
    """Losses that count no more, since somebody redrove the step."""
    markers: tuple[SatisfiedMarker, ...] = ()
    """What the step asked for and got, in order. They outlive a failed try: nobody is asked twice."""
    memos: Mapping[str, Payload] = field(default_factory=dict)
    """What the step has kept, by key. It outlives a failed try too."""
    entered_at: Timestamp
    ready_at: Timestamp
    """Since when a worker is owed its task."""
    started_at: Timestamp | None = None
    """When its first try began by the worker's word, else when it was entered."""
    ended_at: Timestamp | None = None
    due_at: Timestamp | None = None
    """When its timer fires; None while it has none."""
    waiting_since: Timestamp | None = None
    waiting_for: SleepStarted | ApprovalRequested | None = None
    output: Payload | None = None
    failure: Failure | None = None
    """The failure that closed it, or the last one that was retried."""
    last_task_id: str = ""
    """The task whose result was recorded last: a second copy of it is a duplicate."""
    last_worker_id: str = ""

    @property
    def untouched(self) -> bool:
        """Whether it was entered and nothing has come of it yet."""
        return self.phase is Phase.READY and not (self.failures or self.losses or self.markers)

    @property
    def attempt(self) -> int:
        """Which try this is, from 1."""
        return 1 + self.failures + self.losses


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How an execution ends: with a failure of a step, or with the results of steps."""

    step: str = ""
    failure: Failure | None = None
    result_steps: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
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
    steps: Mapping[str, StepState] = field(default_factory=dict)
    """The last visit of each step entered so far, in the order in which they were first entered."""
    open: tuple[str, ...] = ()
    """The steps that are under way, in the order in which they were entered."""
    leaving: tuple[str, ...] = ()
    """The steps whose outcome leads elsewhere than onward, until the execution has gone there."""
    ending: Ending | None = None
    """What it comes to, once that is clear: the event that says so comes next."""
    result_steps: tuple[str, ...] = ()
    """When it has completed, the steps whose results are the execution's."""
    failed_step: str = ""
    failure: Failure | None = None

    @property
    def running(self) -> bool:
        """Whether it has started and not ended."""
        return self.status is ExecutionState.EXECUTION_RUNNING

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


def task_id(execution_id: str, step: str, visit: StepState) -> str:
    """Name the handout that the step owes now.

    It follows from recorded facts alone, so it survives a restart, and it changes with each visit,
    try and satisfied marker, so that the answer to an older handout is recognised as stale.
    """
    return f"{execution_id}/{step}/{visit.visit}.{visit.attempt}.{len(visit.markers)}"
