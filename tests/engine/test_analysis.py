"""What validation takes for impossible, beside what random workflows do. The tree of the simulation is the judge."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product

from cerebelum_engine import validate
from cerebelum_engine.outlook import Outlook
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.types.v1.types_pb import Failure, Payload
from cerebelum_proto.worker import worker_service_pb as pb
from tests.simulation.engine.answers import payload
from tests.simulation.engine.model import Kept, Model
from tests.simulation.engine.tree import Leaf, matches
from tests.simulation.engine.workflows import REASONS, VALUES, Draft


class UncheckedDraft(Draft):
    """A workflow of which some steps may be out of reach."""

    def keep_if_valid(self, before: pb.WorkflowDefinition) -> None:
        if any("is never reached" not in error for error in validate(self.blueprint).errors):
            self.definition = before


class Walk(Model):
    """One way through a workflow, drawn."""

    def visited(self, dice: random.Random) -> set[str]:
        return set(self.visits) if [*self.moments(dice)] else set()

    def moments(self, dice: random.Random) -> Iterator[set[tuple[str, str]]]:
        """At each moment, which steps are under way beside which results."""
        self.hear(ev.ExecutionStarted())
        for _ in range(60):
            if self.expected is not None:
                break
            yield {*product(self.open_steps(), self.kept)}
            self.pass_one(dice, self.open_leaf(dice.choice(self.open_steps())))

    def pass_one(self, dice: random.Random, leaf: Leaf) -> None:
        if dice.random() < 0.4:
            reason = payload(dice.choice(REASONS)) if dice.random() < 0.5 else None
            outcome: Payload | Failure
            outcome = self.failures[leaf.step] = Failure(kind="ValueError", message="boom", error=reason)
        else:
            outcome = payload(dice.choice(VALUES))
            self.kept[leaf.step] = Kept(outcome, self.chain(leaf))
        led = self.diverged(leaf.step, outcome)
        if led is None and isinstance(outcome, Payload):
            led = self.branched(dice, leaf.step)
        self.close(leaf, led, failed=isinstance(outcome, Failure))

    def diverged(self, step: str, outcome: Payload | Failure) -> tuple[str, pb.Route] | None:
        for rule in self.definition.diverge_rules:
            for at, pattern in enumerate(rule.patterns if rule.from_step == step else ()):
                if matches(pattern.pattern, outcome):
                    return f"{step}/diverge/{at}", pattern.route or pb.Route()
        return None

    def branched(self, dice: random.Random, step: str) -> tuple[str, pb.Route] | None:
        for rule in self.definition.branch_rules:
            for at, case in enumerate(rule.branches if rule.from_step == step else ()):
                if dice.random() < 0.5 if case.by_worker else case.condition == "_" or self.holds(case.condition):
                    return f"{step}/branch/{at}", case.route or pb.Route()
        return None


def test_no_way_leads_to_a_step_that_is_taken_for_unreachable() -> None:
    dice, refused = random.Random(4), 0
    for _ in range(400):
        draft = UncheckedDraft(dice, "random")
        draft.timeline()
        for _ in range(3):
            draft.add_rule()
        outlook = Outlook(draft.definition)
        out_of_reach = set(draft.names()) - {place.step for place in outlook.analysis.reached}
        refused += bool(out_of_reach)
        for _ in range(10):
            met = Walk(draft.definition).visited(dice) & out_of_reach
            assert not met, f"{met} of {draft.definition}"
    assert refused > 20


def test_no_way_leads_to_a_step_with_a_result_that_it_is_said_never_to_have() -> None:
    dice, never, met = random.Random(5), 0, 0
    for _ in range(60):
        draft = Draft(dice, "random")
        draft.timeline()
        for _ in range(3):
            draft.add_rule()
        may_follow = Outlook(draft.definition).precedence.may_follow
        vain = {pair for pair in product(draft.names(), repeat=2) if not may_follow(*pair)}
        seen = {pair for _ in range(20) for moment in Walk(draft.definition).moments(dice) for pair in moment}
        assert not seen & vain, f"{seen & vain} of {draft.definition}"
        never, met = never + len(vain), met + len(seen)
    assert min(never, met) > 300
