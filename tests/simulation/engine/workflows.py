"""Random workflows: any shape that validation lets pass."""

from __future__ import annotations

import random
from dataclasses import replace

from cerebelum_engine import Blueprint, compile_blueprint
from cerebelum_proto.types.v1.types_pb import RetryPolicy
from cerebelum_proto.worker import worker_service_pb as pb


def random_blueprint(dice: random.Random) -> Blueprint:
    """A random workflow in the engine's form."""
    return compile_blueprint(random_workflow(dice))


def longer(blueprint: pb.Blueprint) -> pb.Blueprint:
    """The same workflow with one more step at its end."""
    old = blueprint.definition or pb.WorkflowDefinition()
    name = f"more{len(old.timeline)}"
    definition = replace(
        old, timeline=[*old.timeline, pb.Step(name=name)], stages=[*old.stages, pb.Stage(steps=[name])]
    )
    return replace(blueprint, definition=definition)


def random_workflow(dice: random.Random, name: str = "random") -> pb.Blueprint:
    """One to five stages of one to three steps, with data from earlier stages and retry policies."""
    stages: list[list[str]] = []
    steps: list[pb.Step] = []
    for number in range(dice.randint(1, 5)):
        earlier = [name for stage in stages for name in stage]
        names = [f"s{number}{letter}" for letter in "abc"[: dice.choice((1, 1, 2, 3))]]
        steps += [_step(dice, name, earlier) for name in names]
        stages.append(names)
    definition = pb.WorkflowDefinition(timeline=steps, stages=[pb.Stage(steps=names) for names in stages])
    return pb.Blueprint(workflow_module=name, definition=definition)


def _step(dice: random.Random, name: str, earlier: list[str]) -> pb.Step:
    depends_on = sorted(dice.sample(earlier, k=dice.randint(0, min(2, len(earlier)))))
    return pb.Step(
        name=name,
        depends_on=depends_on,
        takes_inputs=dice.random() < 0.5,
        retry=RetryPolicy(
            max_attempts=dice.choice((0, 1, 2, 4)),
            initial_interval_ms=dice.choice((0, 10, 5_000)),
            backoff=dice.choice((0.0, 1.0, 3.0)),
            max_interval_ms=dice.choice((0, 20_000)),
            jitter=dice.choice((0.0, 0.5, 1.0)),
        ),
        schedule_to_start_ms=dice.choice((0, 0, 60_000)),
        start_to_close_ms=dice.choice((0, 60_000)),
    )
