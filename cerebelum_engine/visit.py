"""One visit of one step, as the history tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine.copying import copied
from cerebelum_engine.paths import TIMELINE
from cerebelum_engine.phase import COMPLETED, READY, Phase
from cerebelum_engine.rules import FAIL, PROCEED, Route
from cerebelum_proto.events.v1.events_pb import ApprovalRequested, SignalAwaited, SleepStarted
from cerebelum_proto.types.v1.types_pb import Failure, Payload
from cerebelum_proto.worker.worker_service_pb import SatisfiedMarker


@dataclass(slots=True, kw_only=True)
class StepState:
    """One visit of one step. Only `evolve` changes its members, and only of its own copies."""

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
    """Tries whose worker fell silent, or that the end of the execution cut off before it was retried."""
    forgiven: int = 0
    """Losses that do not count against the step: somebody redrove it, or they were no fault of it."""
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
    waiting_for: SleepStarted | ApprovalRequested | SignalAwaited | None = None
    waiting_from: int = 0
    """The event with which its last wait for a signal began."""
    output: Payload | None = None
    failure: Failure | None = None
    """The failure that closed it, or the last one that was retried."""
    last_task_id: str = ""
    """The task whose result was recorded last: a second copy of it is a duplicate."""
    last_worker_id: str = ""

    def copied(self) -> StepState:
        """A copy to be changed."""
        return copied(self)

    @property
    def heading(self) -> Route:
        """Where it leads, now that it has its outcome: where its rules say, else onward, or into the failure."""
        return self.route or (PROCEED if self.phase is COMPLETED else FAIL)

    @property
    def untouched(self) -> bool:
        """Whether it was entered and nothing has come of it yet."""
        return self.phase is READY and self.is_first

    @property
    def is_first(self) -> bool:
        """Whether this is its first try, and nothing that it asked for has come."""
        return not (self.failures or self.losses or self.markers)

    @property
    def attempt(self) -> int:
        """Which try this is, from 1."""
        return 1 + self.failures + self.losses


_FRESH = StepState(entered_at=Timestamp(), ready_at=Timestamp())


def fresh(path: str, at: Timestamp) -> StepState:
    """A visit that begins on a path, to be changed."""
    visit = _FRESH.copied()
    visit.path, visit.entered_at, visit.ready_at = path, at, at
    return visit


def task_id(execution_id: str, step: str, visit: StepState) -> str:
    """Name the handout that the step owes now.

    It follows from recorded facts alone, so it survives a restart, and it changes with each visit,
    try and satisfied marker, so that the answer to an older handout is recognised as stale.
    """
    if visit.visit == 1 and visit.is_first:
        return f"{execution_id}/{step}/1.1.0"
    return f"{execution_id}/{step}/{visit.visit}.{visit.attempt}.{len(visit.markers)}"


def step_of(task: str, execution_id: str) -> str:
    """The step that the id of a task of this execution names."""
    return task[len(execution_id) + 1 : task.rfind("/")]
