"""All that can be wrong with a blueprint, found at once, each fault with its mend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from cerebelum_engine.outlook import Outlook
from cerebelum_engine.paths import steps_of
from cerebelum_engine.policies import retry_faults
from cerebelum_engine.queues import DEFAULT_QUEUE, queue_fault
from cerebelum_engine.rule_faults import case_errors, quoted, rule_errors, rule_warnings
from cerebelum_engine.rules import written_routes
from cerebelum_proto.types.v1.types_pb import RetryPolicy
from cerebelum_proto.worker import worker_service_pb as pb

RESERVED = frozenset({"context", "inputs"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `validate` found: errors forbid the blueprint, warnings only tell."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    bearable: tuple[str, ...] = ()
    """Those of the errors with which one that was kept before they were known goes on as it did."""

    @property
    def fatal(self) -> tuple[str, ...]:
        """The other errors: nothing can run with them."""
        return tuple(error for error in self.errors if error not in self.bearable)


def validate(blueprint: pb.Blueprint) -> Verdict:
    """Examine a submitted blueprint. Total: it never raises.

    The ways through it are examined once it is clear where they lead, and what its steps take once all else is sound.
    """
    definition = blueprint.definition
    if definition is None or not definition.timeline:
        return Verdict((*_name(blueprint), "the timeline is empty: give it at least one step"), ())
    unclear = (*_step_names(definition), *_stage_errors(definition), *rule_errors(definition))
    errors = (
        *_name(blueprint),
        *unclear,
        *_dependency_errors(definition),
        *_policy_errors(definition),
        *_queue_errors(definition),
        *case_errors(definition),
        *_signal_errors(definition),
    )
    warnings = tuple(rule_warnings(definition))
    if unclear:
        return Verdict(errors, warnings)
    outlook = Outlook(definition)
    if errors:
        return Verdict((*errors, *outlook.course()), warnings)
    lacking, unasked = tuple(outlook.lacking()), tuple(outlook.unanswerable())
    if not definition.stages:
        # A deployed client's step is handed nothing where a result is missing; it has always been so.
        return Verdict((*outlook.errors(), *unasked), (*warnings, *lacking), unasked)
    # A warning: a step that several workflows share may have a default for what runs in another one.
    return Verdict((*outlook.errors(), *lacking, *unasked), (*warnings, *outlook.vain()), unasked)


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
    declared = {step.name for step in definition.timeline}
    staged = list(steps_of(definition.stages))
    for position, stage in enumerate(definition.stages):
        if _is_empty(stage):
            yield f"stage {position} is empty: remove it or give it a step"
    for name in staged:
        if name not in declared:
            yield f"stage step '{name}' is not on the timeline: add it there"
    placed = {*staged, *(name for _, _, route in written_routes(definition) for name in steps_of(route.path))}
    for step in definition.timeline:
        if step.name not in placed:
            yield f"step '{step.name}' is in no stage: it would never run; put it into one, or on the path of a rule"
    for name, count in Counter(staged).items():
        if count > 1:
            yield f"step '{name}' stands in {count} stages: give the second a name of its own"


def _is_empty(stage: pb.Stage) -> bool:
    """Whether some lane of a stage has no step."""
    bare = not stage.steps and not stage.lanes
    return bare or any(not lane.stages or any(_is_empty(each) for each in lane.stages) for lane in stage.lanes)


def _dependency_errors(definition: pb.WorkflowDefinition) -> Iterator[str]:
    declared = {step.name for step in definition.timeline}
    for step in definition.timeline:
        for name in step.depends_on:
            if name not in declared:
                yield f"step '{step.name}' depends on '{name}', which is no step of this workflow"
    looping = _cyclic(definition)
    if looping:
        yield f"the steps {quoted(looping)} depend on each other in a cycle: break it"


def _cyclic(definition: pb.WorkflowDefinition) -> list[str]:
    """Names on a dependency cycle: those left when free steps and steps that nobody needs are peeled off."""
    needs = {step.name: set(step.depends_on) - set(step.optional) for step in definition.timeline}
    while True:
        needed = set().union(*needs.values()) if needs else set()
        free = [name for name, wants in needs.items() if not wants & needs.keys() or name not in needed]
        if not free:
            return list(needs)
        for name in free:
            del needs[name]


def _signal_errors(definition: pb.WorkflowDefinition) -> Iterator[str]:
    for name, count in Counter(definition.signals).items():
        if not name:
            yield "a signal has no name: give it one, or leave it out"
        elif count > 1:
            yield f"signal '{name}' stands {count} times: leave it out but once"


def _policy_errors(definition: pb.WorkflowDefinition) -> Iterator[str]:
    if definition.max_visits < 0:
        yield f"max_visits is {definition.max_visits}; it cannot be negative"
    for step in definition.timeline:
        for name in ("start_to_close_ms", "schedule_to_start_ms", "heartbeat_timeout_ms"):
            limit = getattr(step, name)
            if limit < 0:
                yield f"step '{step.name}': {name} is {limit}; it cannot be negative"
        yield from (f"step '{step.name}': {fault}" for fault in retry_faults(step.retry or RetryPolicy()))


def _queue_errors(definition: pb.WorkflowDefinition) -> Iterator[str]:
    named = [("the workflow", definition.queue), *((f"step '{step.name}'", step.queue) for step in definition.timeline)]
    for owner, queue in named:
        if queue and (fault := queue_fault(queue)):
            yield f"{owner}: {fault}"
        elif not definition.stages and queue not in ("", DEFAULT_QUEUE):
            yield f"{owner} names queue '{queue}', and deployed workers serve '{DEFAULT_QUEUE}' only: submit stages too"
