"""What a workflow means, read a second time: as a tree that is walked, where the engine has a graph.

It shares no code with the engine. It hears events one by one, says which steps may be under way, and says what is
wrong with an event that it did not expect.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.types.v1.types_pb import Failure, Payload
from cerebelum_proto.worker import worker_service_pb as pb
from tests.simulation.engine.tree import (
    CLOSED,
    DONE,
    DUE,
    IDLE,
    OPEN,
    Broken,
    Leaf,
    Sequence,
    Stage,
    Tree,
    clear,
    close,
    given,
    is_done,
    matches,
    require,
)

Act = pb.RouteAction


@dataclass(frozen=True)
class Kept:
    """A result, and the ways over which its step was reached: (path, step) from the timeline down."""

    output: Payload
    chain: tuple[tuple[str, str], ...]


_RESTS = (ev.AttemptFailed, ev.StepDeadLettered, ev.SleepStarted, ev.ApprovalRequested, ev.SignalAwaited)


class Model(Tree):
    """One execution as the rules say it must be."""

    def __init__(self, definition: pb.WorkflowDefinition) -> None:
        self.definition = definition
        stages = list(definition.stages) or [pb.Stage(steps=[step.name]) for step in definition.timeline]
        super().__init__(Sequence.of(stages, ""))
        self.visits: dict[str, int] = {}
        self.idle: set[str] = set()
        """Steps under way that no worker has or is owed: they wait for something."""
        self.kept: dict[str, Kept] = {}
        self.failures: dict[str, Failure] = {}
        self.expected: ev.Event_Fact | None = None
        """The ending that must come next."""
        self.ended = False
        self.cancelling = False
        self.moves = False
        """Whether what comes now was before it moved here: a step may have failed by other rules then."""

    # -- what is heard -----------------------------------------------------------------------

    @classmethod
    def of(cls, definition: pb.WorkflowDefinition, history: Iterable[ev.Event]) -> Model:
        """The model after a whole history."""
        model, facts = cls(definition), [event.fact for event in history]
        moved = max((at for at, fact in enumerate(facts) if isinstance(fact, ev.ExecutionMigrated)), default=0)
        for at, fact in enumerate(facts):
            model.moves = at < moved
            model.hear(fact)
        return model

    def hear(self, fact: ev.Event_Fact | None) -> None:
        goes_on = isinstance(fact, ev.ExecutionRetried | ev.ExecutionMigrated)
        require(goes_on or not self.ended, f"{type(fact).__name__} follows the end")
        if goes_on:
            self.expected = None
        if self.expected is not None:
            overruled = isinstance(fact, ev.ExecutionCancelled) or (
                isinstance(fact, ev.ExecutionFailed) and not fact.step
            )
            forgotten = self.moves and isinstance(fact, ev.ExecutionFailed)
            require(overruled or forgotten or fact == self.expected, f"{fact} came, {self.expected} was due")
        match fact:
            case ev.ExecutionStarted():
                self.begin(self.timeline)
            case ev.ExecutionCompleted() | ev.ExecutionFailed() | ev.ExecutionCancelled():
                from_outside = isinstance(fact, ev.ExecutionCancelled) or getattr(fact, "step", "?") == ""
                earned = from_outside or self.expected is not None
                require(earned, f"{type(fact).__name__} came early; open: {self.open_steps()}")
                self.ended = True
            case ev.StepCompleted(step=step, output=output) if self.cancelling:
                self.open_leaf(step).state = CLOSED
                self.kept[step] = Kept(output or Payload(), ())
            case ev.StepCompleted(step=step, output=output, route=chosen):
                leaf = self.open_leaf(step)
                outcome = output or Payload()
                self.kept[step] = Kept(outcome, self.chain(leaf))
                self.close(leaf, self.led(step, outcome, chosen), failed=False)
            case ev.StepFailed(step=step, failure=failure, route=chosen):
                leaf = self.open_leaf(step)
                self.failures[step] = failure or Failure()
                if failure is not None and failure.kind == "too_many_visits":
                    most = self.definition.max_visits or 1000
                    require(self.visits[step] > most, f"'{step}' was visited {self.visits[step]} times only")
                    self.close(leaf, None, failed=True)
                else:
                    self.close(leaf, self.led(step, failure or Failure(), chosen), failed=True)
            case ev.StepCancelled(step=step):
                self.open_leaf(step).state = CLOSED
            case ev.ExecutionRetried(cut_off=steps):
                owed = sorted(set(self.open_steps()) - self.idle)
                require(sorted(steps) == owed, f"the end cut off {steps}, and under way were {owed}")
                self.reopen()
            case ev.ExecutionForked():
                self.reopen()
            case ev.CancellationRequested():
                self.cancelling = True
            case ev.ExecutionPaused() | ev.ExecutionResumed() | ev.ExecutionMigrated() | ev.SignalReceived():
                pass
            case None:
                raise Broken("an event without a fact")
            case other:
                self.open_leaf(other.step)
                if isinstance(other, _RESTS):
                    self.idle.add(other.step)
                elif not isinstance(other, ev.MemoRecorded):
                    self.idle.discard(other.step)

    def open_steps(self) -> list[str]:
        return [leaf.step for leaf in self.walk() if leaf.state == OPEN]

    def open_leaf(self, step: str) -> Leaf:
        for leaf in self.walk():
            if leaf.step == step and leaf.state == OPEN:
                return leaf
        raise Broken(f"'{step}' moved, which is not under way; open: {self.open_steps()}")

    # -- outcomes ----------------------------------------------------------------------------

    def led(self, step: str, outcome: Payload | Failure, chosen: ev.RouteChosen | None) -> tuple[str, pb.Route] | None:
        """The route that the outcome must take; what the history says must be the same."""
        try:
            return self.met(step, outcome, chosen)
        except Broken:
            if self.moves and isinstance(outcome, Failure):
                return None
            raise

    def met(self, step: str, outcome: Payload | Failure, chosen: ev.RouteChosen | None) -> tuple[str, pb.Route] | None:
        """The route of the first rule that the outcome meets."""
        for rule in self.definition.diverge_rules:
            for at, pattern in enumerate(rule.patterns if rule.from_step == step else ()):
                if matches(pattern.pattern, outcome):
                    self.agree(step, chosen, ev.RuleKind.RULE_KIND_DIVERGE, at)
                    return f"{step}/diverge/{at}", pattern.route or pb.Route()
        for branch in self.definition.branch_rules:
            if branch.from_step != step or isinstance(outcome, Failure):
                continue
            for at, case in enumerate(branch.branches):
                told = chosen is not None and chosen.choice == at
                if told and case.by_worker and chosen is not None and chosen.failure is not None:
                    self.failures[step] = chosen.failure
                    return "", pb.Route()
                if told if case.by_worker else case.condition == "_" or self.holds(case.condition):
                    self.agree(step, chosen, ev.RuleKind.RULE_KIND_BRANCH, at)
                    return f"{step}/branch/{at}", case.route or pb.Route()
        require(chosen is None, f"'{step}' took {chosen}, and no rule of it matches")
        return None

    def agree(self, step: str, chosen: ev.RouteChosen | None, rule: ev.RuleKind, at: int) -> None:
        same = chosen is not None and chosen.rule is rule and chosen.choice == at
        require(same, f"'{step}' took {chosen}, it had to take {rule.name} {at}")

    def holds(self, condition: str) -> bool:
        """The conditions of the simulation are all of one form: `step == "text"`."""
        step, text = condition.split(" == ")
        given = self.kept[step].output.data
        return bool(given) and json.loads(given) == json.loads(text)

    def close(self, leaf: Leaf, led: tuple[str, pb.Route] | None, *, failed: bool) -> None:
        leaf.state = CLOSED
        unmet = Act.ROUTE_ACTION_UNSPECIFIED if failed else Act.ROUTE_ACTION_PROCEED
        key, leaf.route = led or ("", pb.Route(action=unmet))
        if leaf.route.action is Act.ROUTE_ACTION_PATH:
            own, target = self.split(leaf, list(leaf.route.path))
            leaf.over = Sequence.of(own, key, leaf) if own else None
            leaf.leaves = bool(target) or "/diverge/" in key
        else:
            leaf.leaves = leaf.route.action is not Act.ROUTE_ACTION_PROCEED
        leaf.failed, leaf.leads_away = failed, leaf.leaves
        if not leaf.leaves:
            self.take(leaf)
        self.depart()

    def split(self, leaf: Leaf, stages: list[pb.Stage]) -> tuple[list[pb.Stage], str]:
        """A path's own stages, and the step around it at which it rejoins."""
        last = stages[-1]
        name = last.steps[0] if len(last.steps) == 1 and not last.lanes else ""
        return (stages[:-1], name) if name and self.find(leaf, name) else (stages, "")

    # -- moves -------------------------------------------------------------------------------

    def depart(self) -> None:
        """Take every route that leads elsewhere and that nothing in its region stands in the way of."""
        moved = True
        while moved and self.expected is None:
            moved = False
            for at, leaf in enumerate(waiting := [each for each in self.walk() if each.leaves and not each.taken]):
                inside = [each for each in self.walk(self.region(leaf)) if not self.is_under(each, leaf)]
                if not any(each.state == OPEN or each in waiting[:at] for each in inside if each is not leaf):
                    self.take(leaf)
                    moved = True
                    break

    def take(self, leaf: Leaf) -> None:
        leaf.taken = True
        for each in self.walk(self.region(leaf)) if leaf.leaves else ():
            each.leaves = each is leaf or (each.leaves and (each.taken or self.is_under(each, leaf)))
        if leaf.over is None:
            self.onward(leaf)
            return
        key = leaf.over.key
        self.kept = {step: kept for step, kept in self.kept.items() if all(k != key for k, _ in kept.chain)}
        self.begin(leaf.over)

    def onward(self, leaf: Leaf) -> None:
        route = leaf.route or pb.Route()
        match route.action:
            case Act.ROUTE_ACTION_PROCEED:
                self.finish(leaf)
            case Act.ROUTE_ACTION_PATH if not leaf.leaves:
                self.finish(leaf)
            case Act.ROUTE_ACTION_PATH:
                _, target = self.split(leaf, list(route.path))
                if target:
                    self.jump(leaf, target)
                else:
                    self.complete(self.results(leaf.over) if leaf.over else [leaf.step])
            case Act.ROUTE_ACTION_RETRY:
                self.jump(leaf, leaf.step)
            case Act.ROUTE_ACTION_BACK_TO | Act.ROUTE_ACTION_SKIP_TO:
                self.jump(leaf, route.step)
            case Act.ROUTE_ACTION_END:
                self.complete([leaf.step])
            case Act.ROUTE_ACTION_FAIL:
                failure = Failure(kind="failed_by_rule", message=route.reason or "a rule says so", non_retryable=True)
                self.expected = ev.ExecutionFailed(step=leaf.step, failure=failure)
            case _:
                self.expected = ev.ExecutionFailed(step=leaf.step, failure=self.failures[leaf.step])

    def complete(self, steps: list[str]) -> None:
        self.expected = ev.ExecutionCompleted(result_steps=[step for step in steps if step in self.kept])

    def begin(self, node: Leaf | Sequence) -> None:
        if isinstance(node, Sequence):
            node.at = 0
            for lane in node.stages[0].lanes:
                self.begin(lane)
        elif self.is_held(node):
            node.state = DUE
        else:
            node.state = OPEN
            self.idle.discard(node.step)
            self.kept.pop(node.step, None)
            self.visits[node.step] = self.visits.get(node.step, 0) + 1

    def finish(self, node: Leaf | Sequence) -> None:
        """A step or a sequence is passed: go on with what contains it."""
        if isinstance(node, Leaf):
            node.state = DONE
        elif node.parent is None:
            self.complete(self.results(node))
            return
        elif isinstance(node.parent, Leaf):
            self.onward(node.parent)
            return
        stage = node.parent
        assert isinstance(stage, Stage)
        sequence = stage.parent
        if sequence.stages[sequence.at] is stage and all(is_done(lane) for lane in stage.lanes):
            sequence.at += 1
            if sequence.at == len(sequence.stages):
                self.finish(sequence)
            else:
                for lane in sequence.stages[sequence.at].lanes:
                    self.begin(lane)

    def jump(self, leaf: Leaf, target: str) -> None:
        landing = given(self.find(leaf, target), f"'{leaf.step}' leads to '{target}', which is nowhere around it")
        root = self.root(landing)
        own = leaf.over.key if leaf.over else "none"
        fresh: list[Leaf | Sequence] = []
        reset = [each for stage in self.outer_rest(landing) for each in self.leaves_of(stage)] + [landing]
        for sequence, stage, lane in self.way(landing):
            if sequence.at < stage:
                for passed in sequence.stages[max(sequence.at, 0) : stage]:
                    self.pass_over(passed)
                fresh += [other for at, other in enumerate(sequence.stages[stage].lanes) if at != lane]
            for later in sequence.stages[stage + 1 :]:
                for inner in later.lanes:
                    clear(inner)
            sequence.at = stage
        names = {each.step for each in reset}
        self.kept = {
            step: kept
            for step, kept in self.kept.items()
            if not any(key == root.key and name in names for key, name in kept.chain)
            or any(key == own for key, _ in kept.chain)
        }
        clear(landing)
        self.recount()
        for node in [*fresh, landing]:
            self.begin(node)
        self.release()

    def pass_over(self, stage: Stage) -> None:
        for leaf in self.leaves_of(stage):
            if leaf.state in (IDLE, DUE):
                self.kept.pop(leaf.step, None)
            leaf.leaves, leaf.state = False, DONE
        for lane in stage.lanes:
            close(lane)

    def reopen(self) -> None:
        """What failed begins anew; every other outcome counts as before."""
        self.ended, self.expected = False, None
        closed = [leaf for leaf in self.walk() if leaf.state == CLOSED]
        overruled = [
            each
            for leaf in closed
            if leaf.taken and leaf.leads_away and not self.fails(leaf)
            for each in self.walk(self.region(leaf))
            if each is not leaf and not self.is_under(each, leaf)
        ]
        for leaf in closed:
            if leaf in overruled:
                continue
            plain = leaf.route is not None and leaf.route.action is Act.ROUTE_ACTION_UNSPECIFIED
            if leaf.failed and (plain or (leaf.route or pb.Route()).action is Act.ROUTE_ACTION_FAIL):
                clear(leaf)
                leaf.state = OPEN
                self.visits[leaf.step] += 1
                self.idle.discard(leaf.step)
            elif self.fails(leaf):
                leaf.taken = False
        self.recount()
        self.release()

    def recount(self) -> None:
        """Which routes count: those that are taken, and those that wait and that none of them overrules."""
        for leaf in (leaves := list(self.walk())):
            leaf.leaves = leaf.state == CLOSED and leaf.leads_away
        for leaf in [leaf for leaf in leaves if leaf.leaves and leaf.taken]:
            for each in self.walk(self.region(leaf)):
                each.leaves = each is leaf or (each.leaves and (each.taken or self.is_under(each, leaf)))

    def release(self) -> None:
        """Begin what was held and is held no more."""
        for each in list(self.walk()):
            if each.state == DUE and not self.is_held(each):
                self.begin(each)

    def fails(self, leaf: Leaf) -> bool:
        action = (leaf.route or pb.Route()).action
        return action in (Act.ROUTE_ACTION_UNSPECIFIED, Act.ROUTE_ACTION_FAIL)

    # -- what a route concerns ---------------------------------------------------------------

    def region(self, leaf: Leaf) -> Leaf | Sequence | Stage:
        """What a route concerns: all of it, or the stage that leads on from where it lands to where it comes from."""
        target = self.target(leaf)
        if not target:
            return self.timeline
        landing = self.find(leaf, target)
        if landing is None:
            return self.timeline
        lead = self.lead(leaf, self.root(landing))
        if lead is landing:
            return lead
        for (sequence, stage, _), (_, other, _) in zip(self.way(lead), self.way(landing), strict=False):
            if stage != other:
                return sequence.stages[stage]
        raise Broken(f"'{leaf.step}' leads to '{target}', which runs beside it")

    def target(self, leaf: Leaf) -> str:
        route = leaf.route or pb.Route()
        match route.action:
            case Act.ROUTE_ACTION_RETRY:
                return leaf.step
            case Act.ROUTE_ACTION_BACK_TO | Act.ROUTE_ACTION_SKIP_TO:
                return route.step
            case Act.ROUTE_ACTION_PATH:
                return self.split(leaf, list(route.path))[1]
            case _:
                return ""

    def is_held(self, leaf: Leaf) -> bool:
        return any(
            each is not leaf and not self.is_under(leaf, each) and self.concerns(each, leaf)
            for each in self.walk()
            if each.leaves
        )

    def concerns(self, leaving: Leaf, leaf: Leaf) -> bool:
        return any(each is leaf for each in self.everything(self.region(leaving)))


__all__ = ["Broken", "Kept", "Model", "require"]
