"""All that can be wrong with a blueprint, found at once, each fault with its mend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from cerebelum_proto.worker import worker_service_pb as pb

RESERVED = frozenset({"context", "inputs"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `validate` found: errors forbid the blueprint, warnings only tell."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]


def validate(blueprint: pb.Blueprint) -> Verdict:
    """Examine a submitted blueprint. Total: it never raises."""
    definition = blueprint.definition
    if definition is None or not definition.timeline:
        return Verdict((*_name(blueprint), "the timeline is empty: give it at least one step"), ())
    errors = (
        *_name(blueprint),
        *_step_names(definition),
        *_stage_errors(definition),
        *_dependency_errors(definition),
        *_policy_errors(definition),
        *_rule_errors(definition),
    )
    return Verdict(errors, tuple(_warnings(definition)))


def _name(blueprint: pb.Blueprint) -> Iterator[str]:
    if not blueprint.workflow_module:
        yield "the workflow has no name: set workflow_module"


def _step_names(definition: pb.WorkflowDefinition) -> Iterator[str]:
    for position, step in enumerate(definition.timeline):
        if not step.name:
            yield f"step {position} of the timeline has no name"
        if step.name in RESERVED:
            yield f"step '{step.name}': the name is reserved for a step's parameters; rename the step"
    for name, count in Counter(step.name for step in definition.timeline).items():
        if count > 1:
            yield f"step '{name}' stands {count} times on the timeline: give each its own name"


def _stage_errors(definition: pb.WorkflowDefinition) -> Iterator[str]:
    if not definition.stages:
        return
    timeline = [step.name for step in definition.timeline]
    staged = [name for stage in definition.stages for name in stage.steps]
    for position, stage in enumerate(definition.stages):
        if not stage.steps:
            yield f"stage {position} is empty: remove it or give it a step"
    for name in staged:
        if name not in timeline:
            yield f"stage step '{name}' is not on the timeline: add it there"
    for name in timeline:
        if name not in staged:
            yield f"step '{name}' is in no stage: it would never run; put it into one"
    for name, count in Counter(staged).items():
        if count > 1:
            yield f"step '{name}' stands in {count} stages: it may stand in one"


def _dependency_errors(definition: pb.WorkflowDefinition) -> Iterator[str]:
    stage_of = _stage_numbers(definition)
    looping = _cyclic(definition)
    for step in definition.timeline:
        for name in step.depends_on:
            if name not in stage_of:
                yield f"step '{step.name}' depends on '{name}', which is no step of this workflow"
            elif step.name in looping and name in looping:
                continue
            elif stage_of[name] >= stage_of.get(step.name, 0):
                yield (
                    f"step '{step.name}' depends on '{name}', which does not end before it begins: "
                    f"move '{name}' to an earlier stage"
                )
    if looping:
        yield f"the steps {_quoted(looping)} depend on each other in a cycle: break it"


def _stage_numbers(definition: pb.WorkflowDefinition) -> dict[str, int]:
    if definition.stages:
        return {name: number for number, stage in enumerate(definition.stages) for name in stage.steps}
    return {step.name: number for number, step in enumerate(definition.timeline)}


def _cyclic(definition: pb.WorkflowDefinition) -> list[str]:
    """Names on a dependency cycle: those left when free steps and steps that nobody needs are peeled off."""
    needs = {step.name: set(step.depends_on) for step in definition.timeline}
    while True:
        needed = set().union(*needs.values()) if needs else set()
        free = [name for name, wants in needs.items() if not wants & needs.keys() or name not in needed]
        if not free:
            return list(needs)
        for name in free:
            del needs[name]


def _policy_errors(definition: pb.WorkflowDefinition) -> Iterator[str]:
    for step in definition.timeline:
        for name in ("start_to_close_ms", "schedule_to_start_ms", "heartbeat_timeout_ms"):
            limit = getattr(step, name)
            if limit < 0:
                yield f"step '{step.name}': {name} is {limit}; it cannot be negative"
        retry = step.retry
        if retry is None:
            continue
        if retry.max_attempts < 0:
            yield f"step '{step.name}': max_attempts is {retry.max_attempts}; it cannot be negative"
        if retry.initial_interval_ms < 0 or retry.max_interval_ms < 0:
            yield f"step '{step.name}': a retry interval cannot be negative"
        if retry.backoff != 0 and not 1 <= retry.backoff <= 1000:
            yield f"step '{step.name}': backoff is {retry.backoff}; it is a factor from 1 to 1000"
        if not 0 <= retry.jitter <= 1:
            yield f"step '{step.name}': jitter is {retry.jitter}; it is a part from 0 to 1"


def _rule_errors(definition: pb.WorkflowDefinition) -> Iterator[str]:
    names = {step.name for step in definition.timeline}
    for kind, rules in (("diverge", definition.diverge_rules), ("branch", definition.branch_rules)):
        for rule in rules:
            if rule.from_step not in names:
                yield f"{kind} rule from '{rule.from_step}', which is no step of this workflow"


def _warnings(definition: pb.WorkflowDefinition) -> Iterator[str]:
    for rule in definition.diverge_rules:
        yield (
            f"diverge rule from '{rule.from_step}' is kept but not evaluated: "
            "the execution continues along its timeline"
        )
    for branch in definition.branch_rules:
        yield (
            f"branch rule from '{branch.from_step}' is kept but not evaluated (its predicate stays with "
            "the client): the execution continues along its timeline"
        )


def _quoted(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
