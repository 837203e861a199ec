"""With which answers an execution may end."""

from __future__ import annotations

from itertools import product

from cerebelum_engine.analysis import Analysis, Way
from cerebelum_engine.blueprint import compile_blueprint
from cerebelum_engine.paths import Path
from cerebelum_engine.rules import Onward
from cerebelum_proto.worker import worker_service_pb as pb

Ending = tuple[str, ...]
"""The steps that ran last; none when the last one has no result."""


def endings_of(blueprint: pb.Blueprint) -> list[Ending]:
    """Every way in which an execution of a sound blueprint may complete, that of the timeline first."""
    compiled = compile_blueprint(blueprint)
    return list(dict.fromkeys(_Endings(Analysis(compiled.paths, compiled.rules)).found(compiled.timeline)))


class _Endings:
    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis

    def found(self, timeline: Path) -> list[Ending]:
        ended = self._of_path(timeline)
        for place, way in self._analysis.moves:
            if place in self._analysis.reached and way.route.onward is Onward.END:
                ended += self._of_path(way.route.path) if way.route.path else [_result(place.step, way)]
        return ended

    def _of_path(self, path: Path) -> list[Ending]:
        """What may be left of a path when all of it is passed."""
        ends = [list(dict.fromkeys(self._of_step(step))) for step in path.ends]
        return [tuple(step for each in combined for step in each) for combined in product(*ends)]

    def _of_step(self, step: str) -> list[Ending]:
        passing = [way for way in self._analysis.ways[step] if way.route.onward is Onward.PROCEED]
        return [
            ending
            for way in passing
            for ending in (self._of_path(way.route.path) if way.route.path else [_result(step, way)])
        ]


def _result(step: str, way: Way) -> Ending:
    return (step,) if way.ok else ()
