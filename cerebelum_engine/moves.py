"""Where an execution goes once a step has its outcome: what is passed, what begins, and where a rule leads.

A route that leads elsewhere than onward is taken when nothing that it affects is running any more, the first in order
before the others. From the outcome until then, nothing that it affects begins. A failure that no rule meets is such a
route too: it affects everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine.changes import Changes
from cerebelum_engine.paths import Path
from cerebelum_engine.phase import Phase
from cerebelum_engine.places import (
    active_paths,
    affects,
    frame_of,
    is_over,
    is_passed,
    lead_of,
    path_of,
    rank_of,
    results_of,
    stands_on,
)
from cerebelum_engine.rules import PROCEED, Onward
from cerebelum_engine.state import Ending, State
from cerebelum_proto.types.v1.types_pb import Failure


def begin(state: State, at: Timestamp) -> None:
    """Let the first steps of the timeline begin. As below, state and steps are the caller's own copies."""
    walk = _Walk(state, at)
    timeline = state.blueprint.timeline
    for step in timeline.first:
        walk.begin(timeline, step)
    walk.end()


def move(state: State, step: str, at: Timestamp) -> None:
    """Go wherever a step leads that has just got its outcome; its visit is the caller's own copy, too."""
    walk = _Walk(state, at)
    walk.changes.owns(step)
    walk.settle(step)
    walk.end()


def failed_steps(state: State) -> list[str]:
    """The steps whose failure no rule lets pass or overrules: they begin anew when the execution is let go on."""
    standing = _standing(state)
    goes_on = [name for name in standing if state.steps[name].taken and not _fails(state, name)]
    failed = [name for name in standing if state.steps[name].phase is Phase.FAILED and _fails(state, name)]
    overruled = _overruled(state, failed, goes_on)
    return [name for name in failed if name not in overruled]


def reopen(state: State, at: Timestamp) -> None:
    """Let what failed begin anew; every other outcome counts as before."""
    walk = _Walk(state, at)
    for name in failed_steps(state):
        walk.changes.of(name).last_task_id = ""
        walk.begin(path_of(state, name), name)
    for name in _standing(state):
        if _fails(state, name):
            walk.changes.of(name).taken = False
    walk.leaving = _leaving(state)
    walk.enter_all()
    walk.open.sort(key=partial(rank_of, state))
    walk.end()


def _standing(state: State) -> list[str]:
    """The steps that have an outcome and are not passed, on the paths that the execution is on."""
    on = [step for path in active_paths(state) for step in path.before if stands_on(state, path, step)]
    return [step for step in on if state.steps[step].phase.closed and not state.steps[step].passed]


def _leaving(state: State) -> list[str]:
    """The routes that lead elsewhere than onward: those that are taken, and those that wait and that none overrules."""
    routes = [name for name in _standing(state) if state.steps[name].heading.onward is not Onward.PROCEED]
    taken = [name for name in routes if state.steps[name].taken]
    overruled = _overruled(state, routes, taken)
    return [name for name in routes if name in taken or name not in overruled]


def _overruled(state: State, names: Sequence[str], taken: Sequence[str]) -> set[str]:
    """Those of some steps that others, whose routes are taken, leave behind."""
    leads = [each for each in taken if state.steps[each].heading.onward is not Onward.PROCEED]
    return {name for name in names for each in leads if affects(state, each, path_of(state, name), name)}


def _fails(state: State, name: str) -> bool:
    return state.steps[name].heading.onward is Onward.FAIL


class _Walk:
    """One move of an execution."""

    def __init__(self, state: State, at: Timestamp) -> None:
        self.state = state
        self.changes = Changes(state.steps, at)
        self.open = list(state.open)
        self.leaving = list(state.leaving)
        self.ending: Ending | None = None
        self.worker_id = ""

    def end(self) -> None:
        """Write down where it led."""
        state = self.state
        state.ending = self.ending
        state.open, state.leaving = tuple(self.open), tuple(self.leaving)

    # -- onward ------------------------------------------------------------------------------

    def settle(self, name: str) -> None:
        """Follow the route of a step that has just closed, and the routes that waited for it to close."""
        self.open.remove(name)
        visit = self.state.steps[name]
        self.worker_id = visit.last_worker_id
        if visit.heading.onward is PROCEED.onward:
            self.take(name)
        else:
            self.leaving.append(name)
        while self.ending is None and (first := self.first_to_leave()) is not None:
            self.take(first)

    def take(self, name: str) -> None:
        """Go along the route of a step. Others that wait to lead out of what it affects count no more."""
        state, visit = self.state, self.changes.of(name)
        if name in self.leaving:
            self.leaving = [
                each
                for each in self.leaving
                if each == name or state.steps[each].taken or not affects(state, name, path_of(state, each), each)
            ]
        visit.taken = True
        path = visit.heading.path
        if path is None:
            self.onward(name)
            return
        for step in [step for step in state.steps if is_over(state, step, path)]:
            self.changes.forget(step)
        for step in path.before:
            self.enter(path, step)

    def onward(self, name: str) -> None:
        """Go where the route of a step leads in the end: its path is behind, if there is one."""
        route = self.state.steps[name].heading
        match route.onward:
            case Onward.PROCEED:
                self.passes(name)
            case Onward.JUMP:
                self.jump(name, route.target)
            case Onward.END:
                self.ending = Ending(result_steps=results_of(self.state, route.path.ends if route.path else (name,)))
            case Onward.FAIL:
                told = Failure(kind="failed_by_rule", message=route.reason, non_retryable=True)
                self.ending = Ending(step=name, failure=told if route.reason else self.state.steps[name].failure)

    def passes(self, name: str) -> None:
        """Begin what waited for this step, or go on where the path came from when it was the last."""
        visit = self.changes.of(name)
        path = self.state.blueprint.paths[visit.path]
        visit.passed = True
        for step in path.after[name]:
            self.enter(path, step)
        if self.is_behind(path, path.ends):
            if path.owner:
                self.onward(path.owner)
            else:
                self.ending = Ending(result_steps=results_of(self.state, path.ends))

    def enter_all(self) -> None:
        """Begin whatever can begin on the paths that the execution is on."""
        for path in list(active_paths(self.state)):
            for step in path.before:
                self.enter(path, step)

    def enter(self, path: Path, step: str) -> None:
        """Begin a visit of a step, if all before it is passed and nothing holds it."""
        before = self.state.steps.get(step)
        if before is not None and (before.phase.open or stands_on(self.state, path, step)):
            return
        if self.is_behind(path, path.before[step]) and not self.is_held(path, step):
            self.begin(path, step)

    def is_behind(self, path: Path, steps: Sequence[str]) -> bool:
        """Whether all of these are passed. What comes last is mostly passed last: a wide group is not gone through."""
        for at in range(len(steps) - 1, -1, -1):  # noqa: SIM110  # a generator is an object more, each time
            if not is_passed(self.state, path, steps[at]):
                return False
        return True

    def is_held(self, path: Path, step: str) -> bool:
        """Whether a route that waits will pass over this step, forget it or end around it."""
        return bool(self.leaving) and any(affects(self.state, name, path, step) for name in self.leaving)

    def begin(self, path: Path, step: str) -> None:
        """Begin a visit of a step."""
        self.changes.begin(path, step, self.worker_id)
        self.open.append(step)

    # -- elsewhere ---------------------------------------------------------------------------

    def first_to_leave(self) -> str | None:
        """The first in order of the routes that nothing which they affect stands in the way of."""
        if not self.leaving:
            return None
        state = self.state
        waiting = sorted((name for name in self.leaving if not state.steps[name].taken), key=partial(rank_of, state))
        for at, name in enumerate(waiting):
            if not any(affects(state, name, path_of(state, each), each) for each in (*self.open, *waiting[:at])):
                return name
        return None

    def jump(self, name: str, target: str) -> None:
        """Pass over what lies before the target, forget what lies behind it, and go on from there.

        What the route's own path has given is kept: it was done for the target. What was overruled by a route that is
        forgotten counts again.
        """
        state, frame = self.state, frame_of(self.state, name, target)
        if frame is None:
            self.leaving.remove(name)
            self.passes(name)
            return
        before, after = frame.upstream(target), frame.downstream(target) | {target}
        over = state.steps[name].heading.path
        leads = {each: lead_of(state, path_of(state, each), each, frame) for each in state.steps}
        for step in before:
            self.pass_over(frame, step)
        for step, lead in leads.items():
            if lead in after and not is_over(state, step, over):
                self.changes.forget(step)
        self.leaving = _leaving(state)
        self.enter_all()

    def pass_over(self, path: Path, step: str) -> None:
        """Let what waits for a step begin, whether or not it was visited."""
        visit = self.state.steps.get(step)
        if visit is not None and visit.phase.closed and stands_on(self.state, path, step):
            self.changes.of(step).passed = True
        elif visit is None or not is_passed(self.state, path, step):
            self.changes.skip(path, step)
