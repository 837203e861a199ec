"""Parts of a blueprint as people write them: compositions, where rules lead, durations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cerebelum_proto.worker import worker_service_pb as pb

_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))
_BARE = {
    pb.RouteAction.ROUTE_ACTION_RETRY: "retry()",
    pb.RouteAction.ROUTE_ACTION_PROCEED: "proceed()",
    pb.RouteAction.ROUTE_ACTION_END: "end()",
}


def span(milliseconds: int) -> str:
    """A duration as the contract spells it, `1h30m`; empty for none."""
    text = ""
    for unit, size in _UNITS:
        count, milliseconds = divmod(milliseconds, size)
        text += f"{count}{unit}" if count else ""
    return text


def route_text(route: pb.Route) -> str:
    """Where a rule leads: a composition, or an action."""
    match route.action:
        case pb.RouteAction.ROUTE_ACTION_BACK_TO:
            return f"back_to({route.step})"
        case pb.RouteAction.ROUTE_ACTION_SKIP_TO:
            return f"skip_to({route.step})"
        case pb.RouteAction.ROUTE_ACTION_FAIL:
            quote = '"' if "'" in route.reason else "'"
            return f"fail({quote}{route.reason}{quote})"
        case action:
            return _BARE.get(action) or composition(route.path)


def composition(
    stages: Sequence[pb.Stage], spelled: Callable[[str], str] = str, group: Callable[[str], str] = str
) -> str:
    """Stages as they are written: `a >> [b >> c, d]`. `group` frames a list that `>>` comes behind."""
    parts = [_stage(stage, spelled, group) for stage in stages]
    if len(stages) > 1 and _is_group(stages[0]):
        parts[0] = group(parts[0])
    return " >> ".join(parts)


def _is_group(stage: pb.Stage) -> bool:
    return bool(stage.lanes) or len(stage.steps) > 1


def _stage(stage: pb.Stage, spelled: Callable[[str], str], group: Callable[[str], str]) -> str:
    if not _is_group(stage):
        return spelled(stage.steps[0])
    lanes = [*map(spelled, stage.steps), *(composition(lane.stages, spelled, group) for lane in stage.lanes)]
    return f"[{', '.join(lanes)}]"
