"""The workflows whose executions are explored: together, all that a timeline, a rule, a wait and an end can be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import combinations, product

from cerebelum_engine import Blueprint, BlueprintInvalid, commands, compile_blueprint
from cerebelum_proto.types.v1.types_pb import RetryPolicy
from cerebelum_proto.worker import worker_service_pb as pb
from tests.docs.exploring import World, payload

_Act = pb.RouteAction
_SLEEP = commands.Suspended(marker=pb.SleepRequest(duration_ms=1))
_ASK = commands.Suspended(marker=pb.ApprovalRequest(approval_type="manual", timeout_ms=1))
_SIGNAL = commands.Suspended(marker=pb.SignalRequest(name="paid", timeout_ms=1))
_TWICE = RetryPolicy(max_attempts=2, initial_interval_ms=1)


def worlds() -> Iterator[World]:
    """All of them."""
    yield World(
        blueprint=_flow(_stage("a"), retry=_TWICE),
        waits=(_SLEEP, _ASK, _SIGNAL),
        is_lost=True,
        is_steered=True,
        is_forked=True,
    )
    yield World(
        blueprint=_flow(_stage("a"), _stage("b"), staged=False), waits=(*_unresumed(_SLEEP, _ASK),), is_steered=True
    )
    yield World(blueprint=_rules(), values=("ok", "skip", "back", "again", "end", "fail", "leave"), is_steered=True)
    yield World(blueprint=_failures(), values=("ok", "back"))
    yield World(blueprint=_branches(), values=("ok", "yes", "end", "rejoin"), waits=(_SLEEP,), is_steered=True)
    yield World(blueprint=_compensation(), values=("ok", "back"), waits=(_ASK,), is_steered=True, is_forked=True)
    yield World(blueprint=_flow(_stage("a", "b")), waits=(_SLEEP, _ASK, _SIGNAL), is_steered=True)
    yield World(
        blueprint=_flow(_stage("a", "b"), _stage("c"), retry=_TWICE),
        waits=(_SLEEP, _ASK),
        is_lost=True,
        is_steered=True,
    )
    yield World(
        blueprint=_lanes(),
        values=("ok", "skip", "back", "leave"),
        waits=(_SIGNAL,),
        is_lost=True,
        is_steered=True,
        is_forked=True,
    )


def pairs_of_rules() -> Iterator[World]:
    """Every workflow of a few steps with two rules that lead somewhere, if there may be such a one."""
    for stages in ([_stage("a"), _stage("b"), _stage("c")], [_stage("a", "b"), _stage("c")], [_beside(), _stage("d")]):
        names = [name for stage in stages for name in _names(stage)]
        routes = [_to(action, name) for action in ("SKIP_TO", "BACK_TO") for name in names]
        routes += [_to("PROCEED"), _to("RETRY"), _over("x")]
        for one, two in combinations(product(names, ("go", "error"), routes), 2):
            lines = {one[0]: {one[1]: one[2]}}
            lines.setdefault(two[0], {}).setdefault(two[1], two[2])
            beside = "x" if any(route.path for each in lines.values() for route in each.values()) else ""
            with suppress(BlueprintInvalid):
                yield World(blueprint=_flow(*stages, diverge=lines, beside=beside), values=("ok", "go"))


def _rules() -> Blueprint:
    lines = {
        "a": {"skip": _to("SKIP_TO", "c"), "again": _to("RETRY"), "leave": _over("x"), "error": _to("PROCEED")},
        "b": {"end": _to("END"), "fail": _to("FAIL", reason="no"), "leave": _over("y", "c")},
        "c": {"back": _to("BACK_TO", "a"), "error": _to("BACK_TO", "b")},
    }
    return _flow(_stage("a"), _stage("b"), _stage("c"), diverge=lines, beside="xy")


def _failures() -> Blueprint:
    lines = {
        "a": {"error": _to("SKIP_TO", "c")},
        "b": {"back": _to("BACK_TO", "a"), "error": _to("PROCEED")},
        "c": {"error": _to("BACK_TO", "b")},
        "d": {"error": _to("BACK_TO", "a")},
        "e": {"error": _to("RETRY")},
    }
    return _flow(*map(_stage, "abcde"), diverge=lines)


def _branches() -> Blueprint:
    cases = {"a == 'yes'": _over("x", "y"), "a == 'end'": _to("END"), "a == 'rejoin'": _over("z", "c")}
    return _flow(_stage("a"), _stage("b"), _stage("c"), branch={"a": cases}, beside="xyz")


def _compensation() -> Blueprint:
    """What failed is undone, in part side by side."""
    undo = pb.Route(action=_Act.ROUTE_ACTION_PATH, path=[_stage("x", "y"), _stage("z")])
    lines = {"b": {"error": undo}, "z": {"back": _to("BACK_TO", "a")}}
    return _flow(_stage("a"), _stage("b"), diverge=lines, beside="xyz")


def _lanes() -> Blueprint:
    lines = {
        "b": {"back": _to("BACK_TO", "a"), "error": _to("BACK_TO", "a")},
        "c": {"skip": _to("SKIP_TO", "d"), "leave": _over("x")},
        "d": {"back": _to("BACK_TO", "b")},
    }
    return _flow(_beside(), _stage("d"), diverge=lines, beside="x")


def _beside() -> pb.Stage:
    return pb.Stage(lanes=[pb.Lane(stages=[_stage("a"), _stage("b")]), pb.Lane(stages=[_stage("c")])])


def _flow(
    *stages: pb.Stage,
    retry: RetryPolicy | None = None,
    diverge: Mapping[str, Mapping[str, pb.Route]] | None = None,
    branch: Mapping[str, Mapping[str, pb.Route]] | None = None,
    beside: str = "",
    staged: bool = True,
) -> Blueprint:
    """A workflow of these stages; the steps `beside` them stand on paths of rules."""
    names = [*(name for stage in stages for name in _names(stage)), *beside]
    definition = pb.WorkflowDefinition(
        timeline=[pb.Step(name=name, retry=retry) for name in names],
        stages=list(stages) if staged else [],
        diverge_rules=[
            pb.DivergeRule(from_step=step, patterns=[pb.PatternMatch(pattern=t, route=r) for t, r in lines.items()])
            for step, lines in (diverge or {}).items()
        ],
        branch_rules=[
            pb.BranchRule(from_step=step, branches=[pb.ConditionBranch(condition=t, route=r) for t, r in lines.items()])
            for step, lines in (branch or {}).items()
        ],
        max_visits=2,
    )
    return compile_blueprint(pb.Blueprint(workflow_module="w", definition=definition))


def _names(stage: pb.Stage) -> Iterator[str]:
    yield from stage.steps
    for lane in stage.lanes:
        for inner in lane.stages:
            yield from _names(inner)


def _stage(*steps: str) -> pb.Stage:
    return pb.Stage(steps=list(steps))


def _over(*steps: str) -> pb.Route:
    return pb.Route(action=_Act.ROUTE_ACTION_PATH, path=[_stage(step) for step in steps])


def _to(action: str, step: str = "", reason: str = "") -> pb.Route:
    return pb.Route(action=pb.RouteAction[f"ROUTE_ACTION_{action}"], step=step, reason=reason)


def _unresumed(*waits: commands.Suspended) -> Sequence[commands.Suspended]:
    """The same from workers that cannot go on after a wait."""
    return [commands.Suspended(marker=each.marker, resumable=False, fallback=payload("slept")) for each in waits]
