"""Which steps may begin once another one has given a result: no way is left out, though what it forgets may be."""

from __future__ import annotations

from collections.abc import Iterator

from cerebelum_engine.analysis import Analysis, Place
from cerebelum_engine.rules import Onward, Route


class Precedence:
    """What follows what, in any execution of a blueprint whose rules lead somewhere."""

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis

    def may_follow(self, step: str, name: str) -> bool:
        """Whether a step may begin, on some way, once the step of this name has given a result."""
        todo = [self._after(place, given=True) for place in self._analysis.places(name)]
        found = set[Place]()
        while todo:
            for place in todo.pop():
                if place.step == step:
                    return True
                if place not in found:
                    found.add(place)
                    todo.append(self._after(place))
        return False

    def _after(self, place: Place, *, given: bool = False) -> Iterator[Place]:
        """What may begin once a place is passed, or while it runs; when `given`, once it has a result."""
        for way in self._analysis.ways[place.step]:
            if way.ok or not given:
                yield from self._along(place, way.route)
        for frame in self._analysis.paths.values():
            for lead in self._analysis.leads(place, frame):
                yield from (Place(frame.id, each) for each in frame.beside(lead))

    def _along(self, place: Place, route: Route) -> Iterator[Place]:
        if route.path is not None:
            yield from self._analysis.heads(route.path)
        else:
            yield from self._onward(place, route)

    def _onward(self, place: Place, route: Route) -> Iterator[Place]:
        """Where a route leads when its path, if it has one, is passed."""
        if route.onward is Onward.PROCEED:
            yield from self._passing(place)
        elif route.onward is Onward.JUMP:
            for jump in self._analysis.jumps(place, route.target) or ():
                yield from (Place(jump.frame.id, each) for each in (jump.target, *jump.released()))

    def _passing(self, place: Place) -> Iterator[Place]:
        path = self._analysis.paths[place.path]
        yield from (Place(path.id, each) for each in path.after[place.step])
        if path.owner and place.step in path.ends:
            for owner in self._analysis.places(path.owner):
                yield from self._onward(owner, self._analysis.route_over(path))
