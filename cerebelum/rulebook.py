"""The rules of one workflow as they are told, and as the contract writes them."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence

from cerebelum.conditions import TextCondition
from cerebelum.errors import DefinitionError
from cerebelum.rules import Action, Condition, Predicate, Target
from cerebelum.step import AnyStep, Timeline, told
from cerebelum_proto.worker import worker_service_pb as pb


class RuleBook:
    """Collects rules, at most one of a kind for a step."""

    def __init__(self) -> None:
        self._diverge: dict[str, Mapping[str, Target]] = {}
        self._branch: dict[str, Mapping[Condition, Target]] = {}

    def add_diverge(self, step: AnyStep, patterns: Mapping[str, Target]) -> None:
        """Take a diverge rule.

        Raises:
            DefinitionError: it is empty, leads to no step, or is the step's second.
        """
        check_lines("a diverge rule", patterns, "pattern")
        self._check("diverge rule", step, self._diverge.keys(), patterns.values())
        told_patterns: Sequence[object] = list(patterns)
        if faults := [_pattern_fault(each) for each in told_patterns if not isinstance(each, str)]:
            raise DefinitionError(f"the diverge rule of '{step.name}'", faults)
        self._diverge[step.name] = dict(patterns)

    def add_branch(self, step: AnyStep, cases: Mapping[Condition, Target]) -> None:
        """Take a branch rule.

        Raises:
            DefinitionError: it is empty, leads to no step, a condition is none, or it is the step's second.
        """
        self._check("branch", step, self._branch.keys(), cases.values())
        if faults := [fault for condition in cases for fault in _condition_faults(condition)]:
            raise DefinitionError(f"the branch of '{step.name}'", faults)
        self._branch[step.name] = dict(cases)

    def _check(self, kind: str, step: AnyStep, known: Iterable[str], targets: Iterable[Target]) -> None:
        if not isinstance(step, AnyStep):
            raise DefinitionError(f"a {kind}", [f"{told(step)} is no step: name the decorated function"])
        for target in targets:
            if not isinstance(target, Action):
                Timeline.of(target)  # which says what is wrong with it
        if step.name in known:
            raise DefinitionError(f"the {kind} of '{step.name}'", ["it has one already: write all lines into one"])
        if not list(targets):
            raise DefinitionError(f"the {kind} of '{step.name}'", ["it is empty: say where it leads"])

    def led(self) -> Iterator[tuple[str, Timeline]]:
        """Every composition that a rule leads over, with the step it leads from, in the order of the contract."""
        for rules in (self._diverge, self._branch):
            for step, targets in rules.items():
                yield from ((step, Timeline.of(each)) for each in targets.values() if not isinstance(each, Action))

    def predicates(self) -> dict[str, tuple[Predicate, ...]]:
        """For each step with a branch, what its worker evaluates after it, in order."""
        found = {
            step: tuple(condition for condition in cases if not isinstance(condition, str))
            for step, cases in self._branch.items()
        }
        return {step: predicates for step, predicates in found.items() if predicates}

    def write(self, definition: pb.WorkflowDefinition) -> None:
        """Put the rules into a definition."""
        for step, patterns in self._diverge.items():
            lines = [pb.PatternMatch(pattern=text, route=_route(target)) for text, target in patterns.items()]
            definition.diverge_rules.append(pb.DivergeRule(from_step=step, patterns=lines))
        for step, cases in self._branch.items():
            branches = [_written(condition, target) for condition, target in cases.items()]
            definition.branch_rules.append(pb.BranchRule(from_step=step, branches=branches))


def stages(timeline: Timeline) -> list[pb.Stage]:
    """A composition in the contract's words."""
    return [_stage(stage) for stage in timeline.stages]


def _stage(lanes: Sequence[AnyStep | Timeline]) -> pb.Stage:
    names = [lane.name for lane in lanes if isinstance(lane, AnyStep)]
    if len(names) == len(lanes):
        return pb.Stage(steps=names)
    return pb.Stage(lanes=[pb.Lane(stages=stages(Timeline.of(lane))) for lane in lanes])


def check_lines(rule: str, lines: object, what: str) -> None:
    """A rule's lines are a mapping.

    Raises:
        DefinitionError: they are something else.
    """
    if not isinstance(lines, Mapping):
        raise DefinitionError(rule, [f"{lines!r} is no mapping: write {{{what}: where it leads}}"])


def _pattern_fault(pattern: object) -> str:
    """What is wrong with a pattern that is no text."""
    name = pattern.__name__ if isinstance(pattern, type) else str(pattern).lower()
    return f"its pattern {pattern!r} is no text: write '{name}'"


def _condition_faults(condition: Condition) -> list[str]:
    """What is wrong with a condition before anything is evaluated."""
    if not isinstance(condition, str) and not callable(condition):
        return [f"the condition {condition!r} is none: write an expression, or pass a function"]
    if isinstance(condition, str):
        return [] if condition.strip() else ["a condition is empty: write an expression, or pass a function"]
    if inspect.iscoroutinefunction(condition):
        return [f"the predicate {_title(condition)} is async: pass a plain function of the step's value"]
    try:
        inspect.signature(condition).bind(None)
    except TypeError:
        return [f"the predicate {_title(condition)} must take one argument: the step's value"]
    except ValueError:
        return []
    return []


def _written(condition: Condition, target: Target) -> pb.ConditionBranch:
    if isinstance(condition, str):
        return pb.ConditionBranch(condition=condition, route=_route(target))
    return pb.ConditionBranch(condition=_title(condition), route=_route(target), by_worker=True)


def _route(target: Target) -> pb.Route:
    if isinstance(target, Action):
        return pb.Route(action=target.kind, step=target.step, reason=target.reason)
    return pb.Route(action=pb.RouteAction.ROUTE_ACTION_PATH, path=stages(Timeline.of(target)))


def _title(predicate: Predicate) -> str:
    if isinstance(predicate, TextCondition):
        return predicate.text
    return str(getattr(predicate, "__qualname__", type(predicate).__qualname__))
