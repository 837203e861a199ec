"""Where an execution goes once a step has its outcome: what is passed, what begins, and where a rule leads.

A route that leads elsewhere than onward is taken when nothing that it affects is running any more, the first in order
before the others. From the outcome until then, nothing that it affects begins. A failure that no rule meets is such a
route too: it affects everything.
"""

from __future__ import annotations

from collections.abc import Iterator

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine.paths import Path
from cerebelum_engine.rules import FAIL, PROCEED, Onward, Route
from cerebelum_engine.state import Ending, State
from cerebelum_engine.visit import Phase, StepState, fresh
from cerebelum_proto.types.v1.types_pb import Failure


def begin(state: State, at: Timestamp) -> None:
    """Let the first steps of the timeline begin. As below, state and steps are the caller's own copies."""
    walk = _Walk(state, at)
    walk.enter_all()
    walk.end()


def move(state: State, step: str, at: Timestamp) -> None:
    """Go wherever a step leads that has just got its outcome; its visit is the caller's own copy, too."""
    walk = _Walk(state, at)
    walk.own.add(step)
    walk.settle(step)
    walk.end()


def failed_steps(state: State) -> list[str]:
    """The steps whose failure stands in the way: they begin anew when the execution is let go on."""
    return _Walk(state, Timestamp()).failed()


def reopen(state: State, at: Timestamp) -> None:
    """Let what failed begin anew; every other outcome counts as before."""
    walk = _Walk(state, at)
    walk.reopen()
    walk.end()


class _Walk:
    """One move of an execution."""

    def __init__(self, state: State, at: Timestamp) -> None:
        self.state = state
        self.blueprint = state.blueprint
        self.at = at
        self.steps = state.steps
        self.open = list(state.open)
        self.leaving = list(state.leaving)
        self.ending: Ending | None = None
        self.worker_id = ""
        self.own: set[str] = set()
        """The steps whose visits nobody else has seen yet."""

    def end(self) -> None:
        """Write down where it led."""
        state = self.state
        state.ending = self.ending
        state.open, state.leaving = tuple(self.open), tuple(self.leaving)

    def change(self, name: str) -> StepState:
        """The visit of a step, to be changed."""
        visit = self.steps[name]
        if name not in self.own:
            visit = visit.copied()
            self.put(name, visit)
        return visit

    def put(self, name: str, visit: StepState) -> None:
        self.steps.put(name, visit)
        self.own.add(name)

    # -- onward ------------------------------------------------------------------------------

    def settle(self, name: str) -> None:
        """Follow the route of a step that has just closed, and the routes that waited for it to close."""
        self.open.remove(name)
        self.worker_id = self.steps[name].last_worker_id
        if self.route(name).onward is Onward.PROCEED:
            self.take(name)
        else:
            self.leaving.append(name)
        while self.ending is None and (first := self.first_to_leave()) is not None:
            self.take(first)

    def take(self, name: str) -> None:
        """Go along the route of a step. Other routes that lead out of what it affects count no more."""
        route = self.route(name)
        if name in self.leaving:
            self.leaving = [e for e in self.leaving if e == name or not self.affects(name, self.path(e), e)]
        self.change(name).taken = True
        if route.path is None:
            self.onward(name)
            return
        for step in [step for step in self.steps if self.is_over(step, route.path)]:
            self.forget(step)
        for step in route.path.before:
            self.enter(route.path, step)

    def onward(self, name: str) -> None:
        route, step = self.route(name), self.steps[name]
        match route.onward:
            case Onward.PROCEED:
                self.passes(name)
            case Onward.JUMP:
                self.jump(name, route.target)
            case Onward.END:
                results = self.results(route.path) if route.path else tuple(self.result(name))
                self.ending = Ending(result_steps=results)
            case Onward.FAIL:
                told = Failure(kind="failed_by_rule", message=route.reason, non_retryable=True)
                self.ending = Ending(step=name, failure=told if route.reason else step.failure)

    def passes(self, name: str) -> None:
        """Begin what waited for this step, or go on where the path came from when it was the last."""
        path = self.path(name)
        self.change(name).passed = True
        for step in path.after[name]:
            self.enter(path, step)
        if all(self.is_passed(path, end) for end in path.ends):
            if path.owner:
                self.onward(path.owner)
            else:
                self.ending = Ending(result_steps=self.results(path))

    def enter(self, path: Path, step: str) -> None:
        """Begin a visit of a step, if all before it is passed and nothing holds it."""
        before = self.steps.get(step)
        if before is not None and (before.phase.open or (self.stands_on(path, step))):
            return
        if not all(self.is_passed(path, each) for each in path.before[step]) or self.is_held(path, step):
            return
        self.begin(path, step)

    def begin(self, path: Path, step: str) -> None:
        before = self.steps.get(step)
        visit = fresh(path.id, self.at)
        visit.last_worker_id = self.worker_id
        if before is not None:
            visit.visit = before.visit + 1
            visit.last_task_id = before.last_task_id
        self.put(step, visit)
        self.open.append(step)

    # -- anew --------------------------------------------------------------------------------

    def failed(self) -> list[str]:
        """The steps of the paths that it is on whose failure no rule lets pass."""
        return [name for name in self.closed() if self.steps[name].phase is Phase.FAILED and self.is_failing(name)]

    def reopen(self) -> None:
        for name in self.failed():
            self.change(name).last_task_id = ""
            self.begin(self.path(name), name)
        routes = [name for name in self.closed() if self.route(name).onward is not Onward.PROCEED]
        for name in routes:
            if self.is_failing(name):
                self.change(name).taken = False
        taken = [name for name in routes if self.steps[name].taken]
        overruled = {name for name in routes for each in taken if self.affects(each, self.path(name), name)}
        self.leaving = [name for name in routes if name in taken or name not in overruled]
        self.enter_all()
        self.open.sort(key=self.rank)

    def closed(self) -> list[str]:
        """The steps that have an outcome and are not passed, on the paths that it is on."""
        on = [(path, step) for path in self.active(self.blueprint.timeline) for step in path.before]
        standing = [step for path, step in on if self.stands_on(path, step)]
        return [step for step in standing if self.steps[step].phase.closed and not self.steps[step].passed]

    def is_failing(self, name: str) -> bool:
        return self.route(name).onward is Onward.FAIL

    # -- elsewhere ---------------------------------------------------------------------------

    def first_to_leave(self) -> str | None:
        """The first in order of the routes that nothing which they affect stands in the way of."""
        if not self.leaving:
            return None
        waiting = sorted((name for name in self.leaving if not self.steps[name].taken), key=self.rank)
        for at, name in enumerate(waiting):
            if not any(self.affects(name, self.path(each), each) for each in (*self.open, *waiting[:at])):
                return name
        return None

    def jump(self, name: str, target: str) -> None:
        """Pass over what lies before the target, forget what lies behind it, and go on from there.

        What the route's own path has given is kept: it was done for the target.
        """
        frame = self.frame(name, target)
        if frame is None:
            self.leaving.remove(name)
            self.passes(name)
            return
        before, after, over = frame.upstream(target), frame.downstream(target) | {target}, self.route(name).path
        leads = {step: self.lead(self.path(step), step, frame) for step in self.steps}
        self.leaving = [each for each in self.leaving if each != name and leads[each] not in before | after]
        for step in before:
            self.pass_over(frame, step)
        for step, lead in leads.items():
            if lead in after and not self.is_over(step, over):
                self.forget(step)
        self.enter_all()

    def pass_over(self, path: Path, step: str) -> None:
        visit = self.steps.get(step)
        if visit is not None and visit.phase.closed and self.stands_on(path, step):
            self.change(step).passed = True
        elif visit is None or not self.is_passed(path, step):
            skipped = fresh(path.id, self.at)
            skipped.phase, skipped.passed = Phase.SKIPPED, True
            skipped.visit = visit.visit if visit else 0
            self.put(step, skipped)

    def forget(self, step: str) -> None:
        visit = self.steps[step]
        forgotten = fresh(visit.path, visit.entered_at)
        forgotten.phase = Phase.FORGOTTEN
        forgotten.visit, forgotten.last_task_id = visit.visit, visit.last_task_id
        self.put(step, forgotten)

    def enter_all(self) -> None:
        """Begin whatever can begin on the paths that the execution is on."""
        for path in list(self.active(self.blueprint.timeline)):
            for step in path.before:
                self.enter(path, step)

    def active(self, path: Path) -> Iterator[Path]:
        yield path
        for name in path.before:
            step = self.steps.get(name)
            if step is None or step.path != path.id or not step.taken or step.passed:
                continue
            over = self.route(name).path
            if over is not None:
                yield from self.active(over)

    # -- what affects what -------------------------------------------------------------------

    def is_held(self, path: Path, step: str) -> bool:
        return bool(self.leaving) and any(self.affects(name, path, step) for name in self.leaving)

    def affects(self, name: str, path: Path, step: str) -> bool:
        """Whether the route of a step passes over or forgets another step, or ends the execution around it."""
        route = self.route(name)
        if self.is_under(name, path):
            return False
        if route.onward is not Onward.JUMP:
            return True
        frame = self.frame(name, route.target)
        if frame is None:
            return False
        lead = self.lead(path, step, frame)
        return lead == route.target or lead in frame.upstream(route.target) | frame.downstream(route.target)

    def is_under(self, name: str, path: Path) -> bool:
        """Whether a rule of this step leads to the path, perhaps over others."""
        while path.owner and path.owner != name:
            path = self.path(path.owner)
        return bool(path.owner)

    def is_over(self, step: str, over: Path | None) -> bool:
        """Whether a step stands on a path, or on one that leads from it."""
        path = self.path(step)
        while over is not None and path.id != over.id and path.owner:
            path = self.path(path.owner)
        return over is not None and path.id == over.id

    def lead(self, path: Path, step: str, frame: Path) -> str | None:
        """The step of a frame from which, over paths, the execution came to this step."""
        while path.id != frame.id:
            if not path.owner:
                return None
            step, path = path.owner, self.path(path.owner)
        return step

    def frame(self, name: str, target: str) -> Path | None:
        """The innermost path around a step on which the target stands."""
        path = self.path(name)
        while target not in path.before:
            if not path.owner:
                return None
            path = self.path(path.owner)
        return path

    def rank(self, name: str) -> tuple[int, ...]:
        """Where a step stands in the order of everything."""
        path = self.path(name)
        place = list(path.before).index(name)
        return (*self.rank(path.owner), place) if path.owner else (place,)

    # -- the steps ---------------------------------------------------------------------------

    def route(self, name: str) -> Route:
        step = self.steps[name]
        return step.route or (PROCEED if step.phase is Phase.COMPLETED else FAIL)

    def path(self, name: str) -> Path:
        return self.blueprint.paths[self.steps[name].path]

    def stands_on(self, path: Path, step: str) -> bool:
        visit = self.steps.get(step)
        return visit is not None and visit.path == path.id and visit.phase is not Phase.FORGOTTEN

    def is_passed(self, path: Path, step: str) -> bool:
        visit = self.steps.get(step)
        return visit is not None and visit.passed and visit.path == path.id

    def results(self, path: Path) -> tuple[str, ...]:
        """The steps with which a path ended that have a result."""
        return tuple(step for end in path.ends for step in self.result(end))

    def result(self, name: str) -> tuple[str, ...]:
        step = self.steps.get(name)
        if step is None:
            return ()
        if step.route is not None and step.route.path is not None and step.passed:
            return self.results(step.route.path)
        return (name,) if step.output is not None else ()
