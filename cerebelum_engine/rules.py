"""Rules of a step, compiled: what its outcome may match, and where each match leads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from cerebelum_engine.paths import TIMELINE, Path, path_of, steps_of
from cerebelum_proto.worker import worker_service_pb as pb

ANYTHING, OK, ERROR = "_", "ok", "error"
"""The patterns that stand for a whole class of outcomes; every other one stands for itself."""
END = "END"
"""What deployed clients write as the target of a pattern that ends the execution."""


class Onward(Enum):
    """How an execution goes on from a step, once the path that a rule led over, if any, is passed."""

    PROCEED = "proceed"
    JUMP = "jump"
    END = "end"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a match leads: over a path, if there is one, and then onward."""

    onward: Onward
    path: Path | None = None
    target: str = ""
    """The step that a jump goes to."""
    reason: str = ""
    """Why it fails; empty for the step's own failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One line of a rule: a pattern or condition, and its route."""

    text: str
    route: Route
    by_worker: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules of one step: `diverge` looks at what came out, then `branch` at the value of an ok."""

    diverge: tuple[Case, ...] = ()
    branch: tuple[Case, ...] = ()

    @property
    def cases(self) -> tuple[Case, ...]:
        """All of them, in the order in which they are tried."""
        return self.diverge + self.branch


PROCEED = Route(onward=Onward.PROCEED)
FAIL = Route(onward=Onward.FAIL)


def compile_rules(definition: pb.WorkflowDefinition, timeline: Path) -> dict[str, Rules]:
    """The rules of each step that has some."""
    return _Compiler(definition, timeline).rules()


@dataclass(frozen=True, slots=True)
class _Draft:
    """A path as its author wrote it: perhaps its last step stands elsewhere, and is where it goes on."""

    owner: str
    stages: Sequence[pb.Stage]
    rejoins: bool = False

    @property
    def own(self) -> tuple[str, ...]:
        steps = tuple(steps_of(self.stages))
        return steps[:-1] if self.rejoins else steps

    @property
    def last(self) -> str | None:
        """The one step that it ends in."""
        last = self.stages[-1] if self.stages else pb.Stage()
        return last.steps[0] if len(last.steps) == 1 and not last.lanes else None


class _Compiler:
    """Tells which paths end where they may rejoin, then lays them out."""

    def __init__(self, definition: pb.WorkflowDefinition, timeline: Path) -> None:
        self._definition = definition
        self._timeline = timeline
        self._drafts: dict[str, _Draft] = {}
        for id_, owner, route in written_routes(definition):
            if route.path:
                self._drafts[id_] = _Draft(owner, route.path)
        while self._find_rejoins():
            pass

    def rules(self) -> dict[str, Rules]:
        compiled: dict[str, Rules] = {}
        for rule in self._definition.diverge_rules:
            cases = tuple(
                Case(text=each.pattern, route=self._route(_diverge_id(rule.from_step, at), rule.from_step, route))
                for at, each in enumerate(rule.patterns)
                if (route := written_route(each, self._timeline)) is not None
            )
            compiled[rule.from_step] = Rules(diverge=cases)
        for branch_rule in self._definition.branch_rules:
            cases = tuple(
                Case(
                    text=branch.condition,
                    by_worker=branch.by_worker,
                    route=self._route(_branch_id(branch_rule.from_step, at), branch_rule.from_step, branch.route),
                )
                for at, branch in enumerate(branch_rule.branches)
                if branch.route is not None
            )
            before = compiled.get(branch_rule.from_step, Rules())
            compiled[branch_rule.from_step] = Rules(diverge=before.diverge, branch=cases)
        return {step: rules for step, rules in compiled.items() if rules.cases}

    def _find_rejoins(self) -> bool:
        """Mark one more path whose last step stands on what it leaves."""
        for id_, draft in self._drafts.items():
            if not draft.rejoins and draft.last is not None and draft.last in self._left_by(draft.owner):
                self._drafts[id_] = _Draft(draft.owner, draft.stages, rejoins=True)
                return True
        return False

    def _left_by(self, owner: str) -> set[str]:
        """The steps of the paths that a rule of this step leaves."""
        found, todo = {*self._timeline.before}, [owner]
        seen: set[str] = set()
        while todo:
            step = todo.pop()
            for id_, draft in self._drafts.items():
                if step in draft.own and id_ not in seen:
                    seen.add(id_)
                    found.update(draft.own)
                    todo.append(draft.owner)
        return found

    def _route(self, id_: str, owner: str, route: pb.Route) -> Route:
        match route.action:
            case pb.RouteAction.ROUTE_ACTION_PATH:
                return self._over(id_, owner)
            case pb.RouteAction.ROUTE_ACTION_RETRY:
                return Route(onward=Onward.JUMP, target=owner)
            case pb.RouteAction.ROUTE_ACTION_BACK_TO | pb.RouteAction.ROUTE_ACTION_SKIP_TO:
                return Route(onward=Onward.JUMP, target=route.step)
            case pb.RouteAction.ROUTE_ACTION_FAIL:
                return Route(onward=Onward.FAIL, reason=route.reason or "a rule says so")
            case pb.RouteAction.ROUTE_ACTION_END:
                return Route(onward=Onward.END)
            case _:
                return PROCEED

    def _over(self, id_: str, owner: str) -> Route:
        draft = self._drafts.get(id_)
        if draft is None:
            return PROCEED
        stages = draft.stages[:-1] if draft.rejoins else draft.stages
        path = path_of(stages, id_, owner) if stages else None
        if draft.rejoins:
            return Route(path=path, onward=Onward.JUMP, target=draft.last or "")
        return Route(path=path, onward=Onward.END if _is_diverge(id_) else Onward.PROCEED)


def written_routes(definition: pb.WorkflowDefinition) -> Iterator[tuple[str, str, pb.Route]]:
    """Every route of the definition as it was written, with an id of its own and the step that it leads from."""
    for rule in definition.diverge_rules:
        for at, pattern in enumerate(rule.patterns):
            if pattern.route is not None:
                yield _diverge_id(rule.from_step, at), rule.from_step, pattern.route
    for branch_rule in definition.branch_rules:
        for at, branch in enumerate(branch_rule.branches):
            if branch.route is not None:
                yield _branch_id(branch_rule.from_step, at), branch_rule.from_step, branch.route


def written_route(pattern: pb.PatternMatch, timeline: Path) -> pb.Route | None:
    """The route of a pattern; of a deployed client's, what its bare target means here, if anything."""
    if pattern.route is not None:
        return pattern.route
    if pattern.target == END:
        return pb.Route(action=pb.RouteAction.ROUTE_ACTION_END)
    if pattern.target in timeline.before:
        return pb.Route(action=pb.RouteAction.ROUTE_ACTION_SKIP_TO, step=pattern.target)
    return None


def paths_of(timeline: Path, rules: Mapping[str, Rules]) -> dict[str, Path]:
    """Every path by its id."""
    led = (case.route.path for each in rules.values() for case in each.cases)
    return {TIMELINE: timeline} | {path.id: path for path in led if path is not None}


def _diverge_id(step: str, at: int) -> str:
    return f"{step}/diverge/{at}"


def _branch_id(step: str, at: int) -> str:
    return f"{step}/branch/{at}"


def _is_diverge(id_: str) -> bool:
    return id_.rsplit("/", 2)[1] == "diverge"
