"""A workflow's shape as a Mermaid flowchart: the timeline in lines, what rules do in dotted ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cerebelum_engine.paths import Path, path_of, stages_of
from cerebelum_engine.rules import written_route
from cerebelum_proto.worker import worker_service_pb as pb

_ENDS = {pb.RouteAction.ROUTE_ACTION_END: "done", pb.RouteAction.ROUTE_ACTION_FAIL: "failed"}


class _Line(NamedTuple):
    """One line of a rule, and where the execution goes on behind the steps that it leads over."""

    step: str
    text: str
    route: pb.Route
    onward: list[str]


def diagram(shape: pb.WorkflowDefinition) -> Iterator[str]:
    """The lines of the flowchart of a sound definition."""
    timeline = path_of(stages_of(shape))
    lines = list(_lines(shape, timeline))
    yield "flowchart TD"
    yield from (f'  {_node(step.name)}["{step.name}"]' for step in shape.timeline)
    yield from ("  begin((begin))", '  done(("done"))', *_joined(timeline))
    yield from (f"  begin --> {_node(step)}" for step, before in timeline.before.items() if not before)
    yield from (f"  {_node(step)} --> done" for step in timeline.ends)
    if any(_ENDS.get(line.route.action) == "failed" for line in lines):
        yield '  failed(("failed"))'
    for line in lines:
        yield from _led(line, timeline)


def _lines(shape: pb.WorkflowDefinition, timeline: Path) -> Iterator[_Line]:
    for rule in shape.diverge_rules:
        for pattern in rule.patterns:
            route = written_route(pattern, timeline)
            if route is not None:
                yield _Line(rule.from_step, pattern.pattern, route, ["done"])
    for branch in shape.branch_rules:
        after = [_node(step) for step in timeline.after.get(branch.from_step, ())]
        for case in branch.branches:
            if case.route is not None:
                yield _Line(branch.from_step, case.condition, case.route, after or ["done"])


def _led(line: _Line, timeline: Path) -> Iterator[str]:
    """Where a line of a rule leads, dotted, and where the execution goes on behind its steps."""
    start, label = _node(line.step), _label(line.text)
    path = path_of(line.route.path)
    heads = [step for step, before in path.before.items() if not before]
    targets = [_node(step) for step in heads or [line.route.step] if step]
    if line.route.action is pb.RouteAction.ROUTE_ACTION_PROCEED:
        targets = [_node(step) for step in timeline.after.get(line.step, ())] or ["done"]
    targets = targets or [_ENDS.get(line.route.action, start)]
    yield from (f'  {start} -. "{label}" .-> {target}' for target in targets)
    yield from _joined(path)
    ends = [step for step in path.ends if step not in timeline.before]
    yield from (f"  {_node(step)} -.-> {target}" for step in ends for target in line.onward)


def _joined(path: Path) -> Iterator[str]:
    return (f"  {_node(each)} --> {_node(step)}" for step, before in path.before.items() for each in before)


def _node(step: str) -> str:
    """`end` and its kin mean something to Mermaid."""
    return f"step_{step}"


def _label(text: str) -> str:
    return text.replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
