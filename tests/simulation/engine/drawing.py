"""A blueprint on a few lines, as its author might have written it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cerebelum_proto.worker import worker_service_pb as pb


def drawn(definition: pb.WorkflowDefinition) -> str:
    """The timeline, then a line for each pattern and condition, then who takes whose result."""
    stages = definition.stages or [pb.Stage(steps=[step.name]) for step in definition.timeline]
    lines = [f"timeline: {_composition(stages)}"]
    for rule in definition.diverge_rules:
        lines += [f"diverge {rule.from_step}: {each.pattern} -> {_route(each.route)}" for each in rule.patterns]
    for branch in definition.branch_rules:
        lines += [f"branch {branch.from_step}: {each.condition} -> {_route(each.route)}" for each in branch.branches]
    takes = [
        f"{step.name}({', '.join(f'{name}?' if name in step.optional else name for name in step.depends_on)})"
        for step in definition.timeline
        if step.depends_on
    ]
    return "\n".join([*lines, "data: " + " ".join(takes)] if takes else lines)


def _composition(stages: Sequence[pb.Stage]) -> str:
    return " >> ".join(_stage(stage) for stage in stages)


def _stage(stage: pb.Stage) -> str:
    lanes = [*stage.steps, *(_composition(lane.stages) for lane in stage.lanes)]
    return lanes[0] if len(lanes) == 1 else _listed(lanes)


def _listed(lanes: Iterable[str]) -> str:
    return f"[{', '.join(lanes)}]"


def _route(route: pb.Route | None) -> str:
    if route is None:
        return "nowhere"
    if route.path:
        return _composition(route.path)
    word = route.action.name.removeprefix("ROUTE_ACTION_").lower()
    return f"{word}({route.step or route.reason})"
