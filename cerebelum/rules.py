"""What rules are written with: where a pattern or a condition leads, and how patterns and conditions are spelled."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from cerebelum.conditions import TextCondition
from cerebelum.errors import DefinitionError
from cerebelum.raised import was_pressed, words_of
from cerebelum.step import AnyStep, Part, told
from cerebelum_client.plain import error_text
from cerebelum_proto.worker import worker_service_pb as pb

_Kind = pb.RouteAction
OTHERWISE = "_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Where a rule leads, if it is not over steps. Made by `back_to`, `skip_to`, `proceed`, `fail`, `end`, `retry`."""

    kind: pb.RouteAction
    step: str = ""
    reason: str = ""


Target: TypeAlias = Part | Sequence[Part] | Action
"""Where a rule leads: a step, a composition, or an action."""
Predicate: TypeAlias = Callable[..., object]
"""A plain function of one argument, the value of the step; what it returns counts as yes or no."""

Condition: TypeAlias = Predicate | str
"""A predicate, which the worker evaluates right after the step, or a CEL expression, which the engine evaluates."""


def back_to(step: AnyStep | str) -> Action:
    """Forget the results from this step on, and go on from there.

    Raises:
        DefinitionError: it is no step.
    """
    return Action(kind=_Kind.ROUTE_ACTION_BACK_TO, step=_name("back_to()", step))


def skip_to(step: AnyStep | str) -> Action:
    """Pass over what lies before this step, and go on from there.

    Raises:
        DefinitionError: it is no step.
    """
    return Action(kind=_Kind.ROUTE_ACTION_SKIP_TO, step=_name("skip_to()", step))


def proceed() -> Action:
    """Go on along the timeline, also after a failure. Steps that take this one's result get their defaults then."""
    return Action(kind=_Kind.ROUTE_ACTION_PROCEED)


def fail(reason: str) -> Action:
    """Fail the execution, with this reason.

    Raises:
        DefinitionError: it is no text.
    """
    said: object = reason
    if not isinstance(said, str):
        raise DefinitionError("fail()", [f"its reason {said!r} is no text: write fail('{said}')"])
    return Action(kind=_Kind.ROUTE_ACTION_FAIL, reason=reason)


def end() -> Action:
    """Complete the execution here, with the result of this step."""
    return Action(kind=_Kind.ROUTE_ACTION_END)


def retry() -> Action:
    """Visit the step again, as if for the first time."""
    return Action(kind=_Kind.ROUTE_ACTION_RETRY)


def mapping(**members: object) -> str:
    """The pattern for a mapping that holds at least these members: `{mapping(state="declined"): refund}`.

    Raises:
        DefinitionError: a member is nothing that JSON can hold.
    """
    try:
        return json.dumps(members, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DefinitionError(
            "a mapping pattern", [f"{error}: use texts, numbers, truth values, lists, dicts"]
        ) from None


def ask(predicates: Sequence[Predicate], value: object, arguments: Mapping[str, object]) -> pb.Predicates:
    """What the predicates of a branch say about a value, up to the first that holds.

    `arguments` are what the step took, for conditions that look there too.
    """
    said = pb.Predicates()
    for predicate in predicates:
        try:
            held = predicate.holds(value, arguments) if isinstance(predicate, TextCondition) else predicate(value)
            said.answers.append(bool(held))
        except BaseException as error:  # a value is there, whatever its predicate raises
            if was_pressed(error):
                raise
            said.error = error_text(f"it raised {type(error).__name__}: {words_of(error)}")
            break
        if said.answers[-1]:
            break
    return said


def _name(action: str, step: AnyStep | str) -> str:
    if isinstance(step, str):
        return step
    if not isinstance(step, AnyStep):
        raise DefinitionError(action, [f"{told(step)} is no step: name one decorated function"])
    return step.name
