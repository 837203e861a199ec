"""Whether a history would have been the same under another blueprint. Only then may its execution move there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from cerebelum_engine.blueprint import Blueprint
from cerebelum_engine.evolve import evolve
from cerebelum_engine.routing import choose
from cerebelum_engine.rules import Onward, Rules
from cerebelum_engine.state import State, new
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.types.v1.types_pb import Failure, Payload
from cerebelum_proto.worker.worker_service_pb import Predicates


def disagreements(state: State, history: Sequence[ev.Event], blueprint: Blueprint) -> Iterator[str]:
    """What would stand otherwise had the history happened under this blueprint; nothing when all is the same."""
    if blueprint.workflow != state.blueprint.workflow:
        yield f"it is of workflow {blueprint.workflow!r}, not {state.blueprint.workflow!r}"
        return
    replayed, otherwise = new(blueprint), dict[str, None]()
    for event in history:
        if isinstance(event.fact, ev.StepCompleted | ev.StepFailed) and replayed.cancelling is None:
            otherwise.update(dict.fromkeys(_led_otherwise(replayed, event.fact, state.blueprint)))
        replayed = evolve(replayed, _without_migration(event))
    if otherwise:
        yield from otherwise
    elif replayed != replace(state, blueprint=blueprint):
        yield from _differences(state, replayed)


def _led_otherwise(replayed: State, fact: ev.StepCompleted | ev.StepFailed, before: Blueprint) -> Iterator[str]:
    """Whether an outcome meets another rule than it has met. A failure that fails the execution may: only a retry goes
    on from there, and it begins the step anew.
    """
    rules, met = before.rules.get(fact.step, Rules()), fact.route
    if isinstance(fact, ev.StepFailed) and _fails(rules, met):
        return
    outcome = fact.output or Payload() if isinstance(fact, ev.StepCompleted) else fact.failure or Failure()
    meets = choose(replayed, fact.step, outcome, _told(rules, met))
    if _where(meets) != _where(met):
        yield f"the outcome of step {fact.step!r} would have met {_named(meets)} there, and it met {_named(met)}"


def _fails(rules: Rules, met: ev.RouteChosen | None) -> bool:
    led = rules.diverge[met.choice : met.choice + 1] if met is not None else ()
    return all(case.route.onward is Onward.FAIL for case in led)


def _told(rules: Rules, chosen: ev.RouteChosen | None) -> Predicates:
    """What the worker must have answered, for a history keeps only what its answers led to."""
    asked = chosen.choice + 1 if chosen is not None and chosen.rule is ev.RuleKind.RULE_KIND_BRANCH else None
    branch = rules.branch[:asked]
    answers = [asked == at + 1 for at, case in enumerate(branch) if case.by_worker]
    failed = chosen is not None and chosen.failure is not None
    return Predicates(answers=answers[:-1] if failed else answers)


def _where(chosen: ev.RouteChosen | None) -> tuple[ev.RuleKind, int, str, bool] | None:
    return (chosen.rule, chosen.choice, chosen.matched, chosen.failure is not None) if chosen is not None else None


def _named(chosen: ev.RouteChosen | None) -> str:
    return repr(chosen.matched) if chosen is not None else "no rule"


def _differences(state: State, replayed: State) -> Iterator[str]:
    named = False
    for name in state.steps:
        if name not in replayed.steps:
            yield f"step {name!r} has begun, and there it would not have"
            named = True
    for name, step in replayed.steps.items():
        if name not in state.steps:
            yield f"step {name!r} would have begun there by now"
            named = True
        elif step != state.steps[name]:
            yield f"step {name!r} would stand otherwise there ({step.phase.value}, not {state.steps[name].phase.value})"
            named = True
    if not named:
        yield "its timeline would stand elsewhere there"


def _without_migration(event: ev.Event) -> ev.Event:
    return replace(event, fact=None) if isinstance(event.fact, ev.ExecutionMigrated) else event
