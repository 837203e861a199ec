"""A composition of steps as a graph: which steps must be passed before one begins. Stages and lanes end here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cerebelum_proto.worker import worker_service_pb as pb

TIMELINE = ""
"""The id of the path that every execution begins on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """Steps and their order. The timeline is one; each rule may lead over another."""

    id: str
    owner: str = ""
    """The step whose rule leads here; empty for the timeline."""
    before: Mapping[str, tuple[str, ...]]
    """For each step, in the order of the composition: what must be passed before it begins."""
    after: Mapping[str, tuple[str, ...]]
    """For each step, what waits for it."""
    first: tuple[str, ...]
    """The steps that wait for nothing."""
    ends: tuple[str, ...]
    """The steps that nothing waits for."""

    def upstream(self, step: str) -> frozenset[str]:
        """All that is passed before this step begins."""
        return _closure(step, self.before)

    def downstream(self, step: str) -> frozenset[str]:
        """All that waits for this step."""
        return _closure(step, self.after)

    def beside(self, step: str) -> frozenset[str]:
        """All that may run while this step runs."""
        return frozenset(self.before) - self.upstream(step) - self.downstream(step) - {step}


def path_of(stages: Sequence[pb.Stage], id_: str = TIMELINE, owner: str = "") -> Path:
    """Lay stages out as a graph. A step that stands in them twice counts once: validation refuses it."""
    before: dict[str, tuple[str, ...]] = {}
    ends = _lay(stages, (), before)
    after: dict[str, list[str]] = {step: [] for step in before}
    for step, needed in before.items():
        for each in needed:
            after[each].append(step)
    return Path(
        id=id_,
        owner=owner,
        before=before,
        after={step: tuple(steps) for step, steps in after.items()},
        first=tuple(step for step, needed in before.items() if not needed),
        ends=ends,
    )


def stages_of(definition: pb.WorkflowDefinition) -> Sequence[pb.Stage]:
    """The declared stages of a timeline, or one stage a step where none are declared."""
    return definition.stages or [pb.Stage(steps=[step.name]) for step in definition.timeline]


def steps_of(stages: Iterable[pb.Stage]) -> Iterator[str]:
    """Every step that stands in the stages, in order."""
    for stage in stages:
        yield from stage.steps
        for lane in stage.lanes:
            yield from steps_of(lane.stages)


def _lay(stages: Sequence[pb.Stage], heads: tuple[str, ...], before: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Put stages behind `heads`; the steps at which they end."""
    for stage in stages:
        ends: list[str] = []
        for step in stage.steps:
            before[step] = heads
            ends.append(step)
        for lane in stage.lanes:
            ends += _lay(lane.stages, heads, before)
        heads = tuple(ends)
    return heads


def _closure(step: str, edges: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    found: set[str] = set()
    todo = list(edges[step])
    while todo:
        each = todo.pop()
        if each not in found:
            found.add(each)
            todo += edges[each]
    return frozenset(found)
