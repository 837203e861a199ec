"""What may happen in any execution of a blueprint, found without running one.

A place is a step on a path. Which places are reached, which lead to an end, and which results are surely there when
a step begins: three fixpoints over the same moves that the engine makes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

from cerebelum_engine.paths import TIMELINE, Path
from cerebelum_engine.rules import ANYTHING, ERROR, OK, PROCEED, Onward, Route, Rules


class Place(NamedTuple):
    """A step on a path."""

    path: str
    step: str


class Way(NamedTuple):
    """One thing that may become of a step: where it leads, and whether there is a result."""

    route: Route
    ok: bool


class Jump(NamedTuple):
    """One jump that may happen: the path on which both ends stand, the step it is made from there, its target."""

    frame: Path
    lead: str
    target: str

    @property
    def skipped(self) -> frozenset[str]:
        """The steps that it passes over; they do not begin."""
        return self.frame.upstream(self.target) - self.frame.upstream(self.lead)

    def released(self) -> Iterator[str]:
        """The steps beside the target that waited for skipped ones, and now do no more."""
        skipped = self.skipped
        for step, needed in self.frame.before.items():
            if step != self.target and step not in skipped and skipped & {*needed}:
                yield step


class Analysis:
    """The graph of a blueprint, and what follows from it."""

    def __init__(self, paths: Mapping[str, Path], rules: Mapping[str, Rules]) -> None:
        self.paths = paths
        self.rules = rules
        self.all_places = [Place(path.id, step) for path in paths.values() for step in path.before]
        """Every place, in order."""
        self.ways = {place.step: self._ways(place.step) for place in self.all_places}
        """All that may become of a step, a failure that no rule meets left out."""
        self.moves = [(place, way) for place in self.all_places for way in self.ways[place.step]]
        """Everything that may become of every place."""

    # -- the graph ---------------------------------------------------------------------------

    def places(self, step: str) -> list[Place]:
        """Where a step stands."""
        return [Place(path.id, step) for path in self.paths.values() if step in path.before]

    def _ways(self, step: str) -> list[Way]:
        rules, ways = self.rules.get(step, Rules()), list[Way]()
        left = {True, False}
        for case in rules.diverge:
            meets = left & _meant(case.text)
            ways += [Way(case.route, ok) for ok in sorted(meets, reverse=True)]
            if case.text in (OK, ERROR, ANYTHING):
                left -= meets
        if True in left:
            ways += [Way(case.route, True) for case in rules.branch]
            if all(case.text != ANYTHING for case in rules.branch):
                ways.append(Way(PROCEED, True))
        return ways

    def leads(self, place: Place, frame: Path) -> set[str]:
        """The steps of a frame from which, over paths, an execution may have come to a place."""
        if place.path == frame.id:
            return {place.step}
        owner = self.paths[place.path].owner
        return {lead for each in self.places(owner) if owner for lead in self.leads(each, frame)}

    def jumps(self, place: Place, target: str) -> list[Jump] | None:
        """Where a jump from a place may land; None when some way to the place has no such target."""
        path = self.paths[place.path]
        if target in path.before:
            return [Jump(path, place.step, target)]
        owners = self.places(path.owner) if path.owner else []
        found = [self.jumps(each, target) for each in owners]
        if not found or any(each is None for each in found):
            return None
        return [jump for each in found for jump in each or ()]

    def heads(self, path: Path) -> list[Place]:
        """Where a path begins."""
        return [Place(path.id, step) for step, before in path.before.items() if not before]

    # -- what is reached ---------------------------------------------------------------------

    @cached_property
    def reached(self) -> set[Place]:
        """The places that some execution comes to."""
        return _Reached(self).found()

    # -- what can end ------------------------------------------------------------------------

    @cached_property
    def ending(self) -> set[Place]:
        """The places from which an execution can come to an end, other than by a failure that no rule meets."""
        good: set[Place] = set()
        before = -1
        while before != len(good):
            before = len(good)
            for place in reversed(self.all_places):
                if any(self._ends(place, way.route, good) for way in self.ways[place.step]):
                    good.add(place)
        return good

    def _ends(self, place: Place, route: Route, good: set[Place]) -> bool:
        if route.path is not None:
            return any(head in good for head in self.heads(route.path))
        return self._ends_onward(place, route, good)

    def _ends_onward(self, place: Place, route: Route, good: set[Place]) -> bool:
        match route.onward:
            case Onward.PROCEED:
                return self._ends_passing(place, good)
            case Onward.JUMP:
                return any(Place(each.frame.id, each.target) in good for each in self.jumps(place, route.target) or ())
            case _:
                return True

    def _ends_passing(self, place: Place, good: set[Place]) -> bool:
        path = self.paths[place.path]
        if path.after[place.step]:
            return any(Place(path.id, each) in good for each in path.after[place.step])
        if not path.owner:
            return True
        route = self.route_over(path)
        return any(self._ends_onward(each, route, good) for each in self.places(path.owner))

    def route_over(self, path: Path) -> Route:
        """The route that leads over a path."""
        return next(case.route for case in self.rules[path.owner].cases if case.route.path is path)

    # -- what is there -----------------------------------------------------------------------

    def is_given(self, place: Place, step: str) -> bool:
        """Whether the result of a step is surely there when a place begins."""
        return bool(self._given[place] & self.bits.get(step, 0))

    @cached_property
    def _given(self) -> Mapping[Place, int]:
        return _Given(self).found()

    @cached_property
    def bits(self) -> Mapping[str, int]:
        """A bit for each step: sets of thousands of steps, one for each place, are numbers."""
        return {step: 1 << at for at, step in enumerate(self.ways)}


class _Reached:
    """The least fixpoint: nothing is reached until some way to it is found."""

    def __init__(self, analysis: Analysis) -> None:
        self.a = analysis
        self.entered = set(analysis.heads(analysis.paths[TIMELINE]))
        self.passed: set[Place] = set()
        self.skipped: set[Place] = set()

    def found(self) -> set[Place]:
        before = -1
        while before != (now := len(self.entered) + len(self.passed) + len(self.skipped)):
            before = now
            for place in self.a.all_places:
                needed = self.a.paths[place.path].before[place.step]
                if needed and all(Place(place.path, each) in self.passed for each in needed):
                    self.entered.add(place)
                for way in self.a.ways[place.step] if place in self.entered else ():
                    self._go(place, way.route)
        return self.entered

    def _go(self, place: Place, route: Route) -> None:
        if route.path is not None:
            self.entered.update(self.a.heads(route.path))
            if not all(Place(route.path.id, end) in self.passed for end in route.path.ends):
                return
        if route.onward is Onward.PROCEED:
            self.passed.add(place)
        elif route.onward is Onward.JUMP:
            for jump in self.a.jumps(place, route.target) or ():
                self._jump(jump)

    def _jump(self, jump: Jump) -> None:
        frame = jump.frame
        self.entered.add(Place(frame.id, jump.target))
        self.skipped.update(Place(frame.id, each) for each in jump.skipped)
        over = self.passed | self.skipped
        self.entered.update(
            Place(frame.id, step)
            for step in jump.released()
            if all(Place(frame.id, each) in over for each in frame.before[step])
        )


class _Given:
    """The greatest fixpoint: all is there until some way is found on which it is not."""

    def __init__(self, analysis: Analysis) -> None:
        self.a = analysis
        everything = (1 << len(analysis.bits)) - 1
        self.at = dict.fromkeys(analysis.all_places, everything)
        self.after = dict(self.at)

    def found(self) -> Mapping[Place, int]:
        before: tuple[dict[Place, int], dict[Place, int]] = ({}, {})
        while before != (self.at, self.after):
            before = dict(self.at), dict(self.after)
            for place in self.at:  # in order, so that what is found at one is seen at the next
                self._enter(place)
                for way in self.a.ways[place.step]:
                    self._leave(place, way)
        return self.at

    def _enter(self, place: Place) -> None:
        path = self.a.paths[place.path]
        needed = path.before[place.step]
        if needed:
            self.at[place] &= self._after(path, needed)
        elif not path.owner:  # else its owner's ways say what is there
            self.at[place] = 0

    def _leave(self, place: Place, way: Way) -> None:
        there = self.at[place] | (self.a.bits[place.step] if way.ok else 0)
        path = way.route.path
        if path is not None:
            for head in self.a.heads(path):
                self.at[head] &= there
            there |= self._after(path, path.ends)
        if way.route.onward is Onward.PROCEED:
            self.after[place] &= there
        elif way.route.onward is Onward.JUMP:
            for jump in self.a.jumps(place, way.route.target) or ():
                self._jump(jump, there, path)

    def _jump(self, jump: Jump, there: int, over: Path | None) -> None:
        frame = jump.frame
        forgotten = frame.downstream(jump.target) | {jump.target}
        kept = {place.step for place in self.at if over is not None and self.a.leads(place, over)}
        gone = {place.step for place in self.at if self.a.leads(place, frame) & forgotten} - kept
        for step in gone:
            there &= ~self.a.bits[step]
        self.at[Place(frame.id, jump.target)] &= there
        skipped = jump.skipped
        for step in jump.released():
            others = self._after(frame, [each for each in frame.before[step] if each not in skipped])
            self.at[Place(frame.id, step)] &= there | others

    def _after(self, path: Path, steps: Iterable[str]) -> int:
        """What is there once all these steps of a path are passed."""
        there = 0
        for step in steps:
            there |= self.after[Place(path.id, step)]
        return there


def _meant(pattern: str) -> set[bool]:
    """Whether a pattern can stand for an ok (True), for an error (False), or for both."""
    return {OK: {True}, ERROR: {False}}.get(pattern, {True, False})
