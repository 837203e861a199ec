"""What can be wrong with a rule as it is written: an unknown name, a pattern that never matches, a bad condition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from cerebelum_engine.conditions import Condition, ConditionError, names_for
from cerebelum_engine.paths import path_of, stages_of, steps_of
from cerebelum_engine.rules import ANYTHING, ERROR, OK, written_route
from cerebelum_proto.worker import worker_service_pb as pb


def rule_errors(definition: pb.WorkflowDefinition) -> Iterator[str]:
    """Whatever leaves it open where the rules of a definition lead."""
    names = {step.name for step in definition.timeline}
    for kind, rules in (("diverge", definition.diverge_rules), ("branch", definition.branch_rules)):
        for rule in rules:
            if rule.from_step not in names:
                yield f"{kind} rule from '{rule.from_step}', which is no step of this workflow"
        for step, count in Counter(rule.from_step for rule in rules).items():
            if count > 1:
                yield f"step '{step}' has {count} {kind} rules: write all of their lines into one"
    for diverge in definition.diverge_rules:
        for pattern in diverge.patterns:
            if pattern.route is not None:
                yield from _route_errors(f"pattern '{pattern.pattern}' of '{diverge.from_step}'", pattern.route, names)
    for branch in definition.branch_rules:
        for case in branch.branches:
            if case.route is not None:
                yield from _route_errors(f"condition '{case.condition}' of '{branch.from_step}'", case.route, names)


def case_errors(definition: pb.WorkflowDefinition) -> Iterator[str]:
    """What is wrong with patterns and conditions, wherever they lead."""
    for diverge in definition.diverge_rules:
        yield from _pattern_errors(diverge)
    for branch in definition.branch_rules:
        yield from _condition_errors(branch, definition)


def rule_warnings(definition: pb.WorkflowDefinition) -> Iterator[str]:
    """What a deployed client asked for and cannot have."""
    timeline = path_of(stages_of(definition))
    for rule in definition.diverge_rules:
        for pattern in rule.patterns:
            if written_route(pattern, timeline) is None:
                yield (
                    f"diverge rule from '{rule.from_step}': '{pattern.target}' stands on no timeline, so pattern "
                    f"'{pattern.pattern}' is kept but not evaluated: the execution continues along its timeline"
                )
    for branch in definition.branch_rules:
        if any(case.route is None for case in branch.branches):
            yield (
                f"branch rule from '{branch.from_step}' is kept but not evaluated (its predicate stays with "
                "the client): the execution continues along its timeline"
            )


def _pattern_errors(rule: pb.DivergeRule) -> Iterator[str]:
    seen: list[str] = []
    for pattern in rule.patterns:
        text = pattern.pattern
        if not text:
            yield f"diverge rule from '{rule.from_step}': a pattern is empty: write a text, '{OK}', '{ERROR}' or '_'"
        elif text in seen or ANYTHING in seen or {OK, ERROR} <= set(seen):
            yield (
                f"diverge rule from '{rule.from_step}': pattern '{text}' can never match after {quoted(seen)}: "
                "move it up, or leave it out"
            )
        seen.append(text)


def _condition_errors(rule: pb.BranchRule, definition: pb.WorkflowDefinition) -> Iterator[str]:
    ours = [case for case in rule.branches if case.route is not None]
    names = names_for(step.name for step in definition.timeline)
    for at, case in enumerate(ours):
        where = f"branch rule from '{rule.from_step}': condition '{case.condition}'"
        if case.condition == ANYTHING:
            if at + 1 < len(ours):
                yield f"{where} always holds, so those after it are never asked: move it to the end"
        elif not case.condition:
            yield f"branch rule from '{rule.from_step}': a condition is empty"
        elif not case.by_worker:
            try:
                Condition(case.condition, names).check()
            except ConditionError as error:
                yield f"{where} cannot be evaluated: {error}"


def _route_errors(where: str, route: pb.Route, names: set[str]) -> Iterator[str]:
    match route.action:
        case pb.RouteAction.ROUTE_ACTION_PATH:
            steps = list(steps_of(route.path))
            if not steps:
                yield f"{where} leads over an empty path: give it a step, or let it proceed"
            for name in steps:
                if name not in names:
                    yield f"{where} leads to '{name}', which is no step of this workflow: declare it"
            for name, count in Counter(steps).items():
                if count > 1:
                    yield f"{where}: '{name}' stands {count} times on its path: give the second a name of its own"
        case pb.RouteAction.ROUTE_ACTION_BACK_TO | pb.RouteAction.ROUTE_ACTION_SKIP_TO:
            if route.step not in names:
                yield f"{where} leads to '{route.step}', which is no step of this workflow"
        case (
            pb.RouteAction.ROUTE_ACTION_PROCEED
            | pb.RouteAction.ROUTE_ACTION_RETRY
            | pb.RouteAction.ROUTE_ACTION_FAIL
            | pb.RouteAction.ROUTE_ACTION_END
        ):
            pass
        case _:
            yield f"{where} has action {int(route.action)}, which this version does not know"


def quoted(names: Sequence[str]) -> str:
    """Names as an error lists them."""
    return ", ".join(f"'{name}'" for name in names)
