"""What would go wrong when a sound blueprint runs: a step never reached, a jump that lands nowhere or never ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, product

from cerebelum_engine.analysis import Analysis, Jump, Place
from cerebelum_engine.conditions import INPUTS, Condition, ConditionError, names_for
from cerebelum_engine.paths import TIMELINE, Path, path_of, stages_of
from cerebelum_engine.precedence import Precedence
from cerebelum_engine.rule_faults import quoted
from cerebelum_engine.rules import Onward, Route, compile_rules, paths_of, written_routes
from cerebelum_proto.worker import worker_service_pb as pb


class Outlook:
    """What a definition whose parts are sound may do."""

    def __init__(self, definition: pb.WorkflowDefinition) -> None:
        self.definition = definition
        timeline = path_of(stages_of(definition))
        rules = compile_rules(definition, timeline)
        self.analysis = Analysis(paths_of(timeline, rules), rules)
        self.precedence = Precedence(self.analysis)
        # While a path contains itself, there is no saying where a jump lands.
        self.broken = list(self._misplaced()) or list(dict.fromkeys([*self._astray(), *self._at_once()]))
        """Rules that lead where there is no way: nothing else can be told before they are mended."""

    def course(self) -> Iterator[str]:
        """What is wrong with the ways through it, whatever its steps take."""
        yield from self.broken or (*self._unreached(), *self._endless())

    def errors(self) -> Iterator[str]:
        """What must not be in any execution."""
        yield from self.course()
        if self.broken:
            return
        for step, name in self._lacking():
            if self._is_behind(name, step):
                yield (
                    f"step '{step}' depends on '{name}', which does not end before it begins: "
                    f"move '{name}' to an earlier stage"
                )

        yield from self._unanswerable()
        yield from self._by_chance()

    def lacking(self) -> Iterator[str]:
        """The results that a step takes and may not get, though they come before it."""
        for step, name in () if self.broken else self._lacking():
            if self._is_behind(name, step):
                continue
            if self.precedence.may_follow(step, name):
                yield (
                    f"step '{step}' depends on '{name}', which may have no result by then: a rule leads there "
                    f"without it; give the parameter '{name}' a default"
                )
            else:
                yield _vain(step, name)

    def vain(self) -> Iterator[str]:
        """The results that a step may go without, and always does."""
        for step in () if self.broken else self.definition.timeline:
            places = self.analysis.places(step.name)
            for name in step.optional:
                given = any(self.analysis.is_given(place, name) for place in places)
                if not given and not self.precedence.may_follow(step.name, name):
                    yield _vain(step.name, name)

    def _unanswerable(self) -> Iterator[str]:
        """The conditions that name a step which never has a result when they are asked."""
        names = names_for(step.name for step in self.definition.timeline)
        for rule in self.definition.branch_rules:
            asked = [case.condition for case in rule.branches if case.route is not None and not case.by_worker]
            for text, name in product(asked, names):
                if name in text and self._never_has(rule.from_step, name) and _needs(text, name, names):
                    yield (
                        f"branch rule from '{rule.from_step}': condition '{text}' names '{name}', which never has a "
                        f"result when '{rule.from_step}' ends: let '{name}' run before it, or put the branch after a "
                        f"step that comes later than '{name}'"
                    )

    def _never_has(self, step: str, name: str) -> bool:
        return name not in (step, INPUTS) and not self.precedence.may_follow(step, name)

    def _lacking(self) -> Iterator[tuple[str, str]]:
        analysis = self.analysis
        for step in self.definition.timeline:
            places = [place for place in analysis.places(step.name) if place in analysis.reached]
            for name in step.depends_on:
                if name not in step.optional and not all(analysis.is_given(place, name) for place in places):
                    yield step.name, name

    def _by_chance(self) -> Iterator[str]:
        for step in self.definition.timeline:
            for name in step.depends_on:
                if name in step.optional and self._may_meet(step.name, name):
                    yield (
                        f"step '{step.name}' depends on '{name}', which may run beside it, so its result would be "
                        f"there by chance: move '{name}' to an earlier stage, or do not take it"
                    )

    def _is_behind(self, name: str, step: str) -> bool:
        timeline = self.analysis.paths[TIMELINE]
        both = step in timeline.before and name in timeline.before
        return both and name not in timeline.upstream(step)

    def _misplaced(self) -> Iterator[str]:
        """A step may stand once on a way: a path may only end in a step of what it leaves."""
        for path in self.analysis.paths.values():
            left = self._left_by(path)
            for step in path.before:
                if step in left:
                    yield (
                        f"the path from '{path.owner}' leads over '{step}', which stands on what it leaves: only its "
                        f"last step may; end the path there, or give the step a name of its own"
                    )

    def _left_by(self, path: Path) -> set[str]:
        found, todo, seen = set[str](), [path.owner] if path.owner else [], set[str]()
        while todo:
            for place in self.analysis.places(todo.pop()):
                if place.path not in seen:
                    seen.add(place.path)
                    around = self.analysis.paths[place.path]
                    found.update(around.before)
                    todo += [around.owner] if around.owner else []
        return found

    def _astray(self) -> Iterator[str]:
        """Jumps that land nowhere, or beside where they start."""
        actions = {
            (owner, route.step): route.action for _, owner, route in written_routes(self.definition) if route.step
        }
        for place, way in self.analysis.moves:
            target = way.route.target
            if way.route.onward is not Onward.JUMP:
                continue
            jumps = self.analysis.jumps(place, target)
            if jumps is None:
                yield (
                    f"the rule of '{place.step}' goes on at '{target}', which does not stand on every way to "
                    f"'{place.step}': go on at a step of the timeline"
                )
            action = actions.get((place.step, target), pb.RouteAction.ROUTE_ACTION_UNSPECIFIED)
            yield from (said for jump in jumps or () for said in _misdirected(jump, place.step, action))

    def _at_once(self) -> Iterator[str]:
        """Paths that may be under way at the same time may not share a step."""
        led = [path for path in self.analysis.paths.values() if path.owner]
        for one, other in combinations(led, 2):
            shared = [step for step in one.before if step in other.before]
            if shared and self._meet(one, other):
                yield (
                    f"step '{shared[0]}' stands on paths from '{one.owner}' and from '{other.owner}', which may run at "
                    "once: give the second a name of its own"
                )

    def _may_meet(self, step: str, name: str) -> bool:
        """Whether two steps may run at once."""
        return any(
            self._run_beside(place, other, frame)
            for place in self.analysis.places(step)
            for other in self.analysis.places(name)
            for frame in self.analysis.paths.values()
        )

    def _run_beside(self, place: Place, other: Place, frame: Path) -> bool:
        return any(
            not self._waits_for(place, frame, against) and not self._waits_for(other, frame, lead)
            for lead in self.analysis.leads(place, frame)
            for against in self.analysis.leads(other, frame) & frame.beside(lead)
        )

    def _waits_for(self, place: Place, frame: Path, step: str) -> bool:
        """Whether the path of a place, or one around it, begins only when a step of a frame has ended."""
        path = self.analysis.paths[place.path]
        if path.id == frame.id or not path.owner:
            return False
        if _affects(self.analysis.route_over(path), frame, step):
            return True
        return all(self._waits_for(each, frame, step) for each in self.analysis.places(path.owner))

    def _meet(self, one: Path, other: Path) -> bool:
        routes = self.analysis.route_over(one), self.analysis.route_over(other)
        for frame in self.analysis.paths.values():
            for lead in self._leads(one, frame):
                for against in self._leads(other, frame) & frame.beside(lead):
                    if not _affects(routes[0], frame, against) and not _affects(routes[1], frame, lead):
                        return True
        return False

    def _leads(self, path: Path, frame: Path) -> set[str]:
        places = self.analysis.places(path.owner)
        return {lead for place in places for lead in self.analysis.leads(place, frame)}

    def _unreached(self) -> Iterator[str]:
        reached = {place.step for place in self.analysis.reached}
        for step in self.definition.timeline:
            if step.name not in reached:
                yield f"step '{step.name}' is never reached: every way before it leads elsewhere; let one lead on"

    def _endless(self) -> Iterator[str]:
        ending = self.analysis.ending
        stuck = {place.step for place in self.analysis.reached - ending}
        for step in self.definition.timeline:
            ways = self.analysis.ways.get(step.name, ())
            jumps = {way.route.target for way in ways if way.route.onward is Onward.JUMP}
            if step.name in stuck and jumps:
                yield (
                    f"step '{step.name}' can never come to an end: whatever comes out of it leads back to "
                    f"{quoted(sorted(jumps))}; add a pattern that leads on"
                )


def _needs(text: str, name: str, names: Sequence[str]) -> bool:
    """Whether a condition that can be read cannot without this name; the variable of a macro may be called so too."""
    try:
        Condition(text, tuple(each for each in names if each != name)).check()
    except ConditionError:
        return True
    return False


def _vain(step: str, name: str) -> str:
    return (
        f"step '{step}' depends on '{name}', which never has a result by then: let '{name}' run before it, or leave "
        f"out the parameter '{name}'"
    )


def _affects(route: Route, frame: Path, step: str) -> bool:
    """Whether a route waits until this step, on a frame that both came from, has ended."""
    if route.onward is Onward.JUMP:
        target = route.target
        return target in frame.before and step not in frame.beside(target)
    return route.onward is not Onward.PROCEED


def _misdirected(jump: Jump, step: str, action: pb.RouteAction) -> Iterator[str]:
    target, lead, frame = jump.target, jump.lead, jump.frame
    back, ahead = target == lead or target in frame.upstream(lead), target in frame.downstream(lead)
    if not back and not ahead:
        yield f"the rule of '{step}' leads to '{target}', which runs beside it: lead to a step before or after both"
    elif action is pb.RouteAction.ROUTE_ACTION_BACK_TO and ahead:
        yield f"back_to('{target}') from '{step}' leads forward: write skip_to('{target}')"
    elif action is pb.RouteAction.ROUTE_ACTION_SKIP_TO and back:
        yield f"skip_to('{target}') from '{step}' leads back: write back_to('{target}')"
