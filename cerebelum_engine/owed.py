"""What a state owes, told by how it differs from what a state before it owed: a commit costs what it changes, however
much else is under way. What is owed is what `pending` says, and no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine.effects import DispatchTask
from cerebelum_engine.pending import dispatch, earliest_timer, offered, pending, tasks_among
from cerebelum_engine.phase import READY
from cerebelum_engine.state import State
from cerebelum_engine.visit import StepState, task_id

_MANY = 16
"""Of fewer steps under way all are gone through sooner than it is found out which have changed."""


@dataclass(slots=True)
class Owed:
    """Tasks to offer and to forget, and what the row of the execution says of the others."""

    tasks: tuple[DispatchTask, ...]
    """The tasks that are owed; or only those of steps that have changed, when `gone` is told."""
    gone: list[str] | None
    """The ids of tasks that are not owed any more. None: of all that was owed before, only `tasks` still are."""
    ready: bool
    """Whether any task is owed."""
    wake_at: Timestamp | None
    """When the earliest timer is due."""


def owed_by(state: State) -> Owed:
    """All that a state owes."""
    if state.cancelling is not None or not state.running:
        effects = pending(state)
        tasks = tasks_among(effects)
        return Owed(tasks, None, bool(tasks), earliest_timer(effects))
    # What `pending` says of steps that go on, without what is not asked for here.
    under_way, handout = state.steps.of(state.open), offered(state)
    tasks = tuple(
        [
            dispatch(state, name, under_way[at], handout)
            for at, name in enumerate(state.open)
            if under_way[at].phase is READY
        ]
    )
    return Owed(tasks, None, bool(tasks), _wake_at(state, under_way))


def owed_since(before: State, state: State) -> Owed:
    """What a state owes, to whoever knows what the one before it owed."""
    if len(state.open) < _MANY or not _is_alike(before, state):
        return owed_by(state)
    tasks: list[DispatchTask] = []
    gone: list[str] = []
    handout = offered(state)
    for name in _changed(before, state):
        old, new = before.steps.get(name), state.steps[name]
        owed_now = dispatch(state, name, new, handout) if new.phase is READY else None
        if owed_now is not None:
            tasks.append(owed_now)
        if old is not None and old.phase is READY:
            known = task_id(state.execution_id, name, old)
            if owed_now is None or owed_now.task_id != known:
                gone.append(known)
    under_way = state.steps.of(state.open)
    ready = any(step.phase is READY for step in under_way)
    return Owed(tuple(tasks), gone, ready, _wake_at(state, under_way))


def _is_alike(before: State, state: State) -> bool:
    """Whether the same holds for all steps, so that only those which changed can owe anything else."""
    return (
        before.running
        and state.running
        and before.cancelling is state.cancelling is None
        and before.paused is state.paused
        and before.blueprint is state.blueprint
    )


def _changed(before: State, state: State) -> Iterator[str]:
    """The steps under way, now or before, whose visit is another one; in the order in which they were entered."""
    was, now = before.steps, state.steps
    # Most of the map is mostly the very same one.
    names = now.recent if was.settled is now.settled else dict.fromkeys((*before.open, *state.open))
    return (name for name in names if was.get(name) is not now[name])


def _wake_at(state: State, under_way: Sequence[StepState]) -> Timestamp | None:
    """When the earliest timer of an execution that goes on is due."""
    due = [step.due_at for step in under_way if step.due_at is not None]
    if state.deadline is not None:
        due.append(state.deadline)
    return min(due, key=Timestamp.to_ns) if due else None
