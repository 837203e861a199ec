"""Where the steps of an execution stand: on which path, under whose rule, and in which order. It only looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cerebelum_engine.paths import Path
from cerebelum_engine.phase import FORGOTTEN
from cerebelum_engine.rules import Onward
from cerebelum_engine.state import State


def path_of(state: State, name: str) -> Path:
    """The path that a step stands on in its last visit."""
    return state.blueprint.paths[state.steps[name].path]


def stands_on(state: State, path: Path, name: str) -> bool:
    """Whether a step of a path was visited there, and is not forgotten."""
    step = state.steps.get(name)
    return step is not None and step.path == path.id and step.phase is not FORGOTTEN


def is_passed(state: State, path: Path, name: str) -> bool:
    """Whether what waits for a step of a path may begin."""
    step = state.steps.get(name)
    return step is not None and step.passed and step.path == path.id


def is_under(state: State, name: str, path: Path) -> bool:
    """Whether a rule of a step leads to the path, perhaps over others."""
    while path.owner and path.owner != name:
        path = path_of(state, path.owner)
    return bool(path.owner)


def is_over(state: State, name: str, over: Path | None) -> bool:
    """Whether a step stands on a path, or on one that leads from it."""
    path = path_of(state, name)
    while over is not None and path.id != over.id and path.owner:
        path = path_of(state, path.owner)
    return over is not None and path.id == over.id


def lead_of(state: State, path: Path, name: str, frame: Path) -> str | None:
    """The step of a frame from which, over paths, the execution came to this step."""
    while path.id != frame.id:
        if not path.owner:
            return None
        name, path = path.owner, path_of(state, path.owner)
    return name


def frame_of(state: State, name: str, target: str) -> Path | None:
    """The innermost path around a step on which the target stands."""
    path = path_of(state, name)
    while target not in path.before:
        if not path.owner:
            return None
        path = path_of(state, path.owner)
    return path


def rank_of(state: State, name: str) -> tuple[int, ...]:
    """Where a step stands in the order of everything."""
    path = path_of(state, name)
    place = list(path.before).index(name)
    return (*rank_of(state, path.owner), place) if path.owner else (place,)


def affects(state: State, name: str, path: Path, step: str) -> bool:
    """Whether the route of a step passes over or forgets another step, or ends the execution around it."""
    route = state.steps[name].heading
    if is_under(state, name, path):
        return False
    if route.onward is not Onward.JUMP:
        return True
    frame = frame_of(state, name, route.target)
    if frame is None:
        return False
    lead = lead_of(state, path, step, frame)
    return lead == route.target or lead in frame.upstream(route.target) | frame.downstream(route.target)


def active_paths(state: State) -> Iterator[Path]:
    """The paths that the execution is on: the timeline, and those that rules lead over just now."""
    return _active_from(state, state.blueprint.timeline)


def results_of(state: State, names: Iterable[str]) -> tuple[str, ...]:
    """The steps whose results these ends come to: where a rule led on from one over a path, those of the path."""
    return tuple(result for name in names for result in _results(state, name))


def _active_from(state: State, path: Path) -> Iterator[Path]:
    yield path
    for name in path.before:
        step = state.steps.get(name)
        if step is None or step.path != path.id or not step.taken or step.passed:
            continue
        over = step.heading.path
        if over is not None:
            yield from _active_from(state, over)


def _results(state: State, name: str) -> tuple[str, ...]:
    step = state.steps.get(name)
    if step is None:
        return ()
    if step.route is not None and step.route.path is not None and step.passed:
        return results_of(state, step.route.path.ends)
    return (name,) if step.output is not None else ()
