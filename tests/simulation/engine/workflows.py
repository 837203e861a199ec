"""Random workflows: lanes, rules of every kind, loops; any shape that validation lets pass."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from cerebelum_engine import validate
from cerebelum_proto.types.v1.types_pb import RetryPolicy
from cerebelum_proto.worker import worker_service_pb as pb

_Act = pb.RouteAction
VALUES = ("yes", "no", {"state": "done"}, {"state": "open", "n": 3}, 7)
"""What steps of the simulation give, so that patterns and conditions have something to meet."""
REASONS = ("no", {"state": "open"})
"""What they give as `{"error": ...}`."""
PATTERNS = ("yes", "no", "yes", "no", "ok", "error", "ValueError", "boom", '{"state": "open"}', "nothing")
MAX_VISITS = 4


def random_workflow(dice: random.Random, name: str = "random") -> pb.Blueprint:
    """A valid blueprint: its timeline, and rules as far as they make sense on it."""
    draft = Draft(dice, name)
    draft.timeline()
    for _ in range(dice.choice((0, 1, 2, 3, 4))):
        draft.add_rule()
    draft.give_data()
    return draft.blueprint


def parting_workflow(dice: random.Random, name: str = "random") -> pb.Blueprint:
    """A valid blueprint about one group: most of its steps lead elsewhere, so that routes wait for each other."""
    draft = Draft(dice, name)
    group = [draft.step() for _ in range(dice.randint(2, 3))]
    draft.definition.stages = [pb.Stage(steps=group), *draft.stages(dice.randint(1, 2), 1)]
    for step in group:
        texts = dice.choice((["yes"], ["no"], ["yes", "no"], ["no", "error"], []))
        if texts:
            draft.add_diverge(step, texts, draft.long_route)
    draft.lead_around(group)
    draft.give_data()
    return draft.blueprint


def lanes_workflow(dice: random.Random, name: str = "random") -> pb.Blueprint:
    """A valid blueprint about lanes: much runs at once, and each has more to do."""
    draft = Draft(dice, name)
    lanes = [pb.Lane(stages=draft.stages(2, 0)) for _ in range(dice.randint(2, 3))]
    draft.definition.stages = [pb.Stage(lanes=lanes), *draft.stages(dice.randint(0, 1), 1)]
    for _ in range(dice.randint(0, 2)):
        draft.add_rule()
    draft.give_data()
    return draft.blueprint


def longer(blueprint: pb.Blueprint) -> pb.Blueprint:
    """The same workflow with one more step at its end."""
    old = blueprint.definition or pb.WorkflowDefinition()
    name = f"more{len(old.timeline)}"
    definition = replace(
        old, timeline=[*old.timeline, pb.Step(name=name)], stages=[*old.stages, pb.Stage(steps=[name])]
    )
    return replace(blueprint, definition=definition)


@dataclass
class Draft:
    """A blueprint that grows, and stays valid."""

    dice: random.Random
    name: str
    definition: pb.WorkflowDefinition = field(default_factory=lambda: pb.WorkflowDefinition(max_visits=MAX_VISITS))
    numbers: int = 0

    @property
    def blueprint(self) -> pb.Blueprint:
        return pb.Blueprint(workflow_module=self.name, definition=self.definition)

    def timeline(self) -> None:
        self.definition.stages = self.stages(self.dice.randint(1, 4), 2)

    def stages(self, count: int, depth: int) -> list[pb.Stage]:
        return [self.stage(depth) for _ in range(count)]

    def stage(self, depth: int) -> pb.Stage:
        width = self.dice.choice((1, 1, 2, 3)) if depth else 1
        if width == 1 or self.dice.random() < 0.5:
            return pb.Stage(steps=[self.step() for _ in range(width)])
        lanes = [pb.Lane(stages=self.stages(self.dice.randint(1, 2), depth - 1)) for _ in range(width)]
        return pb.Stage(lanes=lanes)

    def step(self) -> str:
        self.numbers += 1
        name = f"s{self.numbers}"
        self.definition.timeline.append(
            pb.Step(
                name=name,
                takes_inputs=self.dice.random() < 0.5,
                retry=RetryPolicy(
                    max_attempts=self.dice.choice((0, 1, 2, 4)),
                    initial_interval_ms=self.dice.choice((0, 10, 5_000)),
                    backoff=self.dice.choice((0.0, 1.0, 3.0)),
                    max_interval_ms=self.dice.choice((0, 20_000)),
                    jitter=self.dice.choice((0.0, 0.5, 1.0)),
                ),
                schedule_to_start_ms=self.dice.choice((0, 0, 60_000)),
                start_to_close_ms=self.dice.choice((0, 60_000)),
            )
        )
        return name

    def names(self) -> list[str]:
        return [step.name for step in self.definition.timeline]

    # -- rules -------------------------------------------------------------------------------

    def add_rule(self) -> None:
        step = self.dice.choice(self.names())
        if self.dice.random() < 0.6:
            texts = self.dice.sample(PATTERNS, self.dice.randint(1, 2)) + ["_"] * (self.dice.random() < 0.2)
            self.add_diverge(step, texts, self.route)
        else:
            self.add_branch(step)

    def add_diverge(self, step: str, texts: list[str], route: Callable[[], pb.Route]) -> None:
        before = self.copy()
        patterns = [pb.PatternMatch(pattern=text, route=route()) for text in texts]
        self.definition.diverge_rules.append(pb.DivergeRule(from_step=step, patterns=patterns))
        self.keep_if_valid(before)

    def add_branch(self, step: str) -> None:
        before = self.copy()
        branches = [self.branch(step), self.branch(step)][: self.dice.randint(1, 2)]
        if self.dice.random() < 0.5:
            branches.append(pb.ConditionBranch(condition="_", route=self.route()))
        self.definition.branch_rules.append(pb.BranchRule(from_step=step, branches=branches))
        self.keep_if_valid(before)

    def copy(self) -> pb.WorkflowDefinition:
        return pb.WorkflowDefinition.from_bytes(self.definition.to_bytes())

    def keep_if_valid(self, before: pb.WorkflowDefinition) -> None:
        """Take a rule back when the blueprint would not be valid with it."""
        if validate(self.blueprint).errors:
            self.definition = before

    def branch(self, step: str) -> pb.ConditionBranch:
        if self.dice.random() < 0.5:
            return pb.ConditionBranch(condition="its predicate", by_worker=True, route=self.route())
        wanted = json.dumps(self.dice.choice(("yes", "no")))
        return pb.ConditionBranch(condition=f"{step} == {wanted}", route=self.route())

    def route(self) -> pb.Route:
        names = self.names()
        match self.dice.randint(0, 12):
            case 0:
                return pb.Route(action=_Act.ROUTE_ACTION_PROCEED)
            case 1:
                return pb.Route(action=_Act.ROUTE_ACTION_RETRY)
            case 2 | 3:
                return pb.Route(action=_Act.ROUTE_ACTION_BACK_TO, step=self.dice.choice(names))
            case 4:
                return pb.Route(action=_Act.ROUTE_ACTION_SKIP_TO, step=self.dice.choice(names))
            case 5:
                return pb.Route(action=_Act.ROUTE_ACTION_FAIL, reason="enough")
            case 6:
                return pb.Route(action=_Act.ROUTE_ACTION_END)
            case _:
                return pb.Route(action=_Act.ROUTE_ACTION_PATH, path=self.path(names))

    def lead_around(self, group: list[str]) -> None:
        """Let ways out of a group come back to the timeline behind it, and steps on them lead back into the group."""
        dice = random.Random(self.definition.to_bytes())
        later = [step for stage in self.definition.stages[1:] for step in stage.steps]
        ways = [pattern.route for rule in self.definition.diverge_rules for pattern in rule.patterns]
        over = [step for way in ways if way is not None for stage in way.path for step in stage.steps]
        for at in range(len(ways)):
            if later and dice.random() < 0.5:
                before = self.copy()
                way = [pattern.route for rule in self.definition.diverge_rules for pattern in rule.patterns][at]
                if way is not None and way.path:
                    way.path.append(pb.Stage(steps=[dice.choice(later)]))
                    self.keep_if_valid(before)
        for step in over:
            if dice.random() < 0.4:
                back = pb.Route(action=_Act.ROUTE_ACTION_BACK_TO, step=dice.choice(group))
                self.add_diverge(step, ["no"], partial(replace, back))

    def long_route(self) -> pb.Route:
        """Mostly one over a path on which much can happen before it is over."""
        if self.dice.random() < 0.3:
            return self.route()
        return pb.Route(action=_Act.ROUTE_ACTION_PATH, path=self.stages(2, 0))

    def path(self, names: list[str]) -> list[pb.Stage]:
        """New steps, perhaps one that stands on another path, perhaps a step to go on from."""
        path = self.stages(self.dice.randint(0, 2), 1)
        elsewhere = [
            name
            for rule in self.definition.diverge_rules
            for pattern in rule.patterns
            for stage in (pattern.route or pb.Route()).path
            for name in stage.steps
        ]
        if elsewhere and self.dice.random() < 0.3:
            path.append(pb.Stage(steps=[self.dice.choice(elsewhere)]))
        if not path or self.dice.random() < 0.5:
            path.append(pb.Stage(steps=[self.dice.choice(names)]))
        return path

    # -- data --------------------------------------------------------------------------------

    def give_data(self) -> None:
        """Let steps take results; of those that may be missing, only as what has a default."""
        for step in self.definition.timeline:
            step.depends_on = self.dice.sample(self.names(), k=min(self.dice.randint(0, 4), len(self.names())))
        while errors := " ".join(validate(self.blueprint).errors):
            for step in self.definition.timeline:
                for name in list(step.depends_on):
                    lacking = f"step '{step.name}' depends on '{name}'" in errors or "cycle" in errors
                    if lacking and name != step.name and name not in step.optional:
                        step.optional.append(name)
                    elif lacking:
                        step.depends_on.remove(name)
                        step.optional = [each for each in step.optional if each != name]
