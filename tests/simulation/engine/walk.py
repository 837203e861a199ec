"""A walk: one execution through rules drawn at random, led by outcomes and retries alone, beside the model.

No time, no worker and no fault: it costs a fiftieth of a world, so that far more workflows are met, and most of their
steps lead somewhere else than onward.
"""

from __future__ import annotations

import json
import random
from dataclasses import replace

from cerebelum_codegen.runtime import Timestamp
from cerebelum_engine import (
    Command,
    Completed,
    Failed,
    RecordResult,
    Rejected,
    Retry,
    StartExecution,
    compile_blueprint,
    decide,
    evolve,
    new,
    reconstruct,
)
from cerebelum_engine.phase import Phase
from cerebelum_engine.visit import task_id
from cerebelum_proto.events.v1.events_pb import Event
from cerebelum_proto.types.v1.types_pb import Failure, Payload
from cerebelum_proto.worker import worker_service_pb as pb
from tests.simulation.engine.drawing import drawn
from tests.simulation.engine.model import Broken, Model
from tests.simulation.engine.workflows import MAX_VISITS, Draft

_NOW = Timestamp(1_700_000_000)
_VALUES = ("yes", "yes", "no", "no", 7)
_FAILURE = Failure(kind="ValueError", message="boom", non_retryable=True)
_MOST_RETRIES = 2
_Act = pb.RouteAction


class _Crossroads(Draft):
    """A workflow about its rules: steps are plain, and many lead elsewhere."""

    def crossroads(self) -> pb.Blueprint:
        self.definition.stages = self.stages(self.dice.randint(1, 3), self.dice.choice((1, 1, 2)))
        for _ in range(self.dice.randint(1, 7)):
            self.add_rule()
        steps = self.definition.timeline
        self.definition.timeline = [replace(step, retry=None, takes_inputs=False) for step in steps]
        return self.blueprint

    def route(self) -> pb.Route:
        """More often back, on, and over paths that come back to the timeline."""
        kind, names = self.dice.random(), self.names()
        if kind < 0.25:
            return pb.Route(action=_Act.ROUTE_ACTION_BACK_TO, step=self.dice.choice(names))
        if kind < 0.35:
            return pb.Route(action=_Act.ROUTE_ACTION_SKIP_TO, step=self.dice.choice(names))
        if kind < 0.7:
            path = self.stages(self.dice.randint(1, 2), self.dice.choice((0, 0, 1)))
            if self.dice.random() < 0.6:
                path.append(pb.Stage(steps=[self.dice.choice(names)]))
            return pb.Route(action=_Act.ROUTE_ACTION_PATH, path=path)
        return super().route()

    def branch(self, step: str) -> pb.ConditionBranch:
        return pb.ConditionBranch(
            condition=f"{step} == {json.dumps(self.dice.choice(_VALUES[:4]))}", route=self.route()
        )


class Walk:
    """One execution, from its start to an end that nobody retries."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.blueprint = _Crossroads(self.dice, "walk").crossroads()
        self.state = new(compile_blueprint(self.blueprint))
        self.model = Model(self.blueprint.definition or pb.WorkflowDefinition())
        self.log: list[Event] = []

    def run(self) -> None:
        """Go on until it has ended, and for good."""
        self.tell(StartExecution(execution_id="x", workflow="walk", inputs=_payload("in")))
        retries = 0
        while not self.state.ended or self.goes_on(retries):
            if self.state.ended:
                retries += 1
                self.tell(Retry(retried_by="ada"))
            else:
                self.step()
            self.check()
        if reconstruct(new(self.state.blueprint), self.log) != self.state:
            raise Broken("its history leads to another state")

    def goes_on(self, retries: int) -> bool:
        """Whether somebody retries what has failed."""
        mended = self.state.failed and retries < _MOST_RETRIES and self.dice.random() < 0.5
        return mended and not isinstance(decide(self.state, Retry(retried_by="ada"), _NOW), Rejected)

    def step(self) -> None:
        """A step under way has an outcome."""
        ready = [name for name in self.state.open if self.state.steps[name].phase is Phase.READY]
        if not ready:
            raise Broken("it has not ended, and nothing is under way")
        name = self.dice.choice(ready)
        fails = self.dice.random() < 0.25
        outcome = Failed(failure=_FAILURE) if fails else Completed(output=_payload(self.dice.choice(_VALUES)))
        task = task_id(self.state.execution_id, name, self.state.steps[name])
        self.tell(RecordResult(task_id=task, worker_id="w", outcome=outcome))

    def tell(self, command: Command) -> None:
        events = decide(self.state, command, _NOW)
        if isinstance(events, Rejected):
            raise Broken(f"{type(command).__name__} was rejected: {events.message}")
        for event in events:
            self.state = evolve(self.state, event)
            self.log.append(event)
            self.model.hear(event.fact)

    def check(self) -> None:
        """What is under way must be what the model says; each visit costs one of a bounded number."""
        expected = [] if self.model.ended else sorted(self.model.open_steps())
        under_way = sorted(self.state.open) if self.state.running else []
        if under_way != expected:
            raise Broken(f"under way are {under_way}, not {expected}")
        visits = [visit.visit for _, visit in self.state.steps.items()]
        if max(visits, default=0) > MAX_VISITS + 1 + _MOST_RETRIES:
            raise Broken(f"visits are {visits}, and {MAX_VISITS} are allowed")

    @property
    def story(self) -> str:
        """The workflow, and what was recorded."""
        facts = [f"{type(event.fact).__name__}({getattr(event.fact, 'step', '')})" for event in self.log]
        return "\n  ".join([*drawn(self.blueprint.definition or pb.WorkflowDefinition()).splitlines(), *facts])


def play(seed: int) -> None:
    """Walk one seed. A broken invariant raises with the whole story."""
    walk = Walk(seed)
    try:
        walk.run()
    except Exception as broken:
        raise Broken(f"seed {seed}: {type(broken).__name__}: {broken}\n  {walk.story}") from broken


def _payload(value: object) -> Payload:
    return Payload(encoding="json", data=json.dumps(value).encode())
