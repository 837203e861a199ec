"""A workflow's shape, ready for the engine. It is pinned by the hash of the contract's own bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cerebelum_engine.validation import validate
from cerebelum_proto.types.v1.types_pb import RetryPolicy
from cerebelum_proto.worker import worker_service_pb as pb


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
    takes_inputs: bool = False
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    start_to_close_ms: int = 0
    schedule_to_start_ms: int = 0
    heartbeat_timeout_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """The timeline as stages, each a group of step names that run at once."""

    workflow: str
    hash: str
    stages: tuple[tuple[str, ...], ...]
    steps: Mapping[str, StepSpec]
    foreign: bool = False
    """Submitted by a client of the deployed contract: it declares no stages, and its steps run on such workers."""

    @property
    def result_steps(self) -> tuple[str, ...]:
        """The steps whose results are the execution's."""
        return self.stages[-1]

    def position(self, step: str) -> int:
        """The step's place in the timeline from 0, counting each step of a group."""
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
        BlueprintInvalid: it names every error that `validate` finds.
    """
    verdict = validate(blueprint)
    if verdict.errors:
        raise BlueprintInvalid(blueprint.workflow_module, verdict.errors)
    definition = blueprint.definition or pb.WorkflowDefinition()
    return Blueprint(
        workflow=blueprint.workflow_module,
        hash=hash_of(blueprint),
        stages=stages_of(definition),
        steps={step.name: _spec(step) for step in definition.timeline},
        foreign=not definition.stages,
    )


def stages_of(definition: pb.WorkflowDefinition) -> tuple[tuple[str, ...], ...]:
    """The declared stages, or one stage a step where none are declared."""
    if definition.stages:
        return tuple(tuple(stage.steps) for stage in definition.stages)
    return tuple((step.name,) for step in definition.timeline)


def _spec(step: pb.Step) -> StepSpec:
    return StepSpec(
        name=step.name,
        depends_on=tuple(step.depends_on),
        takes_inputs=step.takes_inputs,
        retry=step.retry or RetryPolicy(),
        start_to_close_ms=step.start_to_close_ms,
        schedule_to_start_ms=step.schedule_to_start_ms,
        heartbeat_timeout_ms=step.heartbeat_timeout_ms,
    )
