"""Which of a step's rules its outcome meets. Decided once, when the outcome is recorded, and kept with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from cerebelum_engine.conditions import Condition, ConditionError, names_for
from cerebelum_engine.rules import ANYTHING, ERROR, OK, Case
from cerebelum_engine.state import State
from cerebelum_engine.values import UNREADABLE, Unreadable, Value, holds_all, read, text_of
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.types.v1.types_pb import Failure, Payload
from cerebelum_proto.worker.worker_service_pb import Predicates

Outcome: TypeAlias = Payload | Failure
"""What came out of a step for good."""


def choose(state: State, step: str, outcome: Outcome, predicates: Predicates) -> ev.RouteChosen | None:
    """The first rule of the step that its outcome meets; None when none does, or it has none."""
    rules = state.blueprint.rules.get(step)
    if rules is None:
        return None
    for at, case in enumerate(rules.diverge):
        if matches(case.text, outcome):
            return ev.RouteChosen(rule=ev.RuleKind.RULE_KIND_DIVERGE, choice=at, matched=case.text)
    return _branch(state, step, rules.branch, outcome, predicates) if isinstance(outcome, Payload) else None


def matches(pattern: str, outcome: Outcome) -> bool:
    """Whether a pattern stands for this outcome."""
    if pattern == ANYTHING:
        return True
    if pattern == (ERROR if isinstance(outcome, Failure) else OK):
        return True
    if pattern in (OK, ERROR):
        return False
    value = _value(outcome)
    wanted = as_mapping(pattern)
    if wanted is not None:
        return holds_all(value, wanted)
    return pattern in _texts(outcome, value)


def as_mapping(pattern: str) -> Value:
    """The mapping that a pattern asks for; None when it is a text."""
    if not pattern.startswith("{"):
        return None
    try:
        parsed: Value = json.loads(pattern)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _value(outcome: Outcome) -> Value | Unreadable:
    if isinstance(outcome, Payload):
        return read(outcome)
    return UNREADABLE if outcome.error is None else read(outcome.error)


def _texts(outcome: Outcome, value: Value | Unreadable) -> tuple[str | None, ...]:
    """The texts of an outcome: an ok's or a decision's own, of an exception its kind and its message."""
    if isinstance(outcome, Failure) and outcome.error is None:
        return (outcome.kind, outcome.message)
    return (text_of(value),)


def _branch(
    state: State, step: str, branch: Sequence[Case], output: Payload, predicates: Predicates
) -> ev.RouteChosen | None:
    answers = iter(predicates.answers)
    for at, case in enumerate(branch):
        chosen = ev.RouteChosen(rule=ev.RuleKind.RULE_KIND_BRANCH, choice=at, matched=case.text)
        try:
            if case.text == ANYTHING:
                return chosen
            if _told(answers, predicates.error) if case.by_worker else _holds(state, step, case.text, output):
                return chosen
        except ConditionError as error:
            message = f"condition '{case.text}' of step '{step}' cannot be evaluated: {error}"
            chosen.failure = Failure(kind="condition_failed", message=message, non_retryable=True)
            return chosen
    return None


def _told(answers: Iterator[bool], error: str) -> bool:
    for answer in answers:
        return answer
    raise ConditionError(error or "its worker did not tell whether it holds")


def _holds(state: State, step: str, text: str, output: Payload) -> bool:
    payloads = {name: visit.output for name, visit in state.steps.items() if visit.output is not None}
    payloads[step] = output
    if state.started is not None and state.started.inputs is not None:
        payloads["inputs"] = state.started.inputs
    condition = Condition(text, names_for(state.blueprint.steps))
    wanted = (name for name in payloads if name in text)
    values = {name: value for name in wanted if (value := read(payloads[name])) is not UNREADABLE}
    return condition.holds(values)
