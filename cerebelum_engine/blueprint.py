"""A workflow's shape, ready for the engine. It is pinned by the hash of the contract's own bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cerebelum_engine.paths import TIMELINE, Path, path_of, stages_of
from cerebelum_engine.queues import DEFAULT_QUEUE
from cerebelum_engine.rules import Rules, compile_rules, paths_of
from cerebelum_engine.validation import validate
from cerebelum_proto.types.v1.types_pb import RetryPolicy
from cerebelum_proto.worker import worker_service_pb as pb

DEFAULT_MAX_VISITS = 1_000


class BlueprintInvalid(ValueError):
    """A blueprint that cannot run. `errors` holds every fault found, each with its mend."""

    def __init__(self, workflow: str, errors: tuple[str, ...]) -> None:
        super().__init__(f"blueprint of {workflow!r} is invalid: " + "; ".join(errors))
        self.errors = errors


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSpec:
    """One step as the blueprint declares it."""

    name: str
    depends_on: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()
    """Those of `depends_on` that may have no result."""
    takes_inputs: bool = False
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    start_to_close_ms: int = 0
    schedule_to_start_ms: int = 0
    heartbeat_timeout_ms: int = 0
    queue: str = DEFAULT_QUEUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """The timeline, the paths that rules lead over, and the steps on all of them."""

    workflow: str
    hash: str
    paths: Mapping[str, Path]
    """Every path by its id; the timeline is one of them."""
    steps: Mapping[str, StepSpec]
    rules: Mapping[str, Rules] = field(default_factory=dict)
    """The rules of the steps that have some."""
    max_visits: int = DEFAULT_MAX_VISITS
    signals: tuple[str, ...] = ()
    """Those that it takes; none of them named, it takes any."""
    foreign: bool = False
    """Submitted by a client of the deployed contract: it declares no stages, and its steps run on such workers."""

    @property
    def timeline(self) -> Path:
        """The path that every execution begins on."""
        return self.paths[TIMELINE]

    def position(self, step: str) -> int:
        """The step's place among all steps from 0, counting each step of a group."""
        return list(self.steps).index(step)


def hash_of(blueprint: pb.Blueprint) -> str:
    """The content hash of a workflow's name and definition, 64 hex digits.

    Language, source and the sender's own version do not count: what runs is the definition.
    """
    definition = blueprint.definition or pb.WorkflowDefinition()
    ordered = replace(definition, inputs=dict(sorted(definition.inputs.items())))
    content = pb.Blueprint(workflow_module=blueprint.workflow_module, definition=ordered)
    return hashlib.sha256(content.to_bytes()).hexdigest()


def compile_blueprint(blueprint: pb.Blueprint) -> Blueprint:
    """Turn a submitted blueprint into the engine's form.

    Raises:
        BlueprintInvalid: it names every error with which it cannot run.
    """
    verdict = validate(blueprint)
    if verdict.fatal:
        raise BlueprintInvalid(blueprint.workflow_module, verdict.fatal)
    definition = blueprint.definition or pb.WorkflowDefinition()
    timeline = path_of(stages_of(definition))
    rules = compile_rules(definition, timeline)
    return Blueprint(
        workflow=blueprint.workflow_module,
        hash=hash_of(blueprint),
        paths=paths_of(timeline, rules),
        rules=rules,
        max_visits=definition.max_visits or DEFAULT_MAX_VISITS,
        steps={step.name: _spec(step, definition.queue or DEFAULT_QUEUE) for step in definition.timeline},
        signals=tuple(definition.signals),
        foreign=not definition.stages,
    )


def _spec(step: pb.Step, queue: str) -> StepSpec:
    return StepSpec(
        name=step.name,
        depends_on=tuple(step.depends_on),
        optional=frozenset(step.optional),
        takes_inputs=step.takes_inputs,
        retry=step.retry or RetryPolicy(),
        start_to_close_ms=step.start_to_close_ms,
        schedule_to_start_ms=step.schedule_to_start_ms,
        heartbeat_timeout_ms=step.heartbeat_timeout_ms,
        queue=step.queue or queue,
    )
