"""A workflow as a tree of steps, stages and sequences, and what a pattern stands for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from cerebelum_proto.types.v1.types_pb import Failure, Payload
from cerebelum_proto.worker import worker_service_pb as pb

_T = TypeVar("_T")
IDLE, DUE, OPEN, CLOSED, DONE = "idle", "due", "open", "closed", "done"


class Broken(AssertionError):
    """An invariant does not hold."""


def require(holds: bool, message: str) -> None:
    if not holds:
        raise Broken(message)


def given(thing: _T | None, message: str) -> _T:
    """What must be there."""
    if thing is None:
        raise Broken(message)
    return thing


@dataclass(eq=False)
class Leaf:
    """A step at its place in the tree."""

    step: str
    parent: Stage
    state: str = IDLE
    route: pb.Route | None = None
    failed: bool = False
    leads_away: bool = False
    """Its outcome leads elsewhere than onward."""
    leaves: bool = False
    """It leads elsewhere than onward, and has not gone there yet."""
    taken: bool = False
    over: Sequence | None = None
    """The path that its rule leads over."""


@dataclass(eq=False)
class Stage:
    parent: Sequence
    lanes: list[Leaf | Sequence] = field(default_factory=list)


@dataclass(eq=False)
class Sequence:
    key: str
    """Which path it belongs to."""
    parent: Stage | Leaf | None = None
    stages: list[Stage] = field(default_factory=list)
    at: int = -1

    @classmethod
    def of(cls, stages: list[pb.Stage], key: str, parent: Stage | Leaf | None = None) -> Sequence:
        tree = cls(key, parent)
        for written in stages:
            stage = Stage(tree)
            stage.lanes += [Leaf(name, stage) for name in written.steps]
            stage.lanes += [Sequence.of(list(lane.stages), key, stage) for lane in written.lanes]
            tree.stages.append(stage)
        return tree


class Tree:
    """The tree of a timeline, and the ways in it."""

    def __init__(self, timeline: Sequence) -> None:
        self.timeline = timeline

    def walk(self, node: Leaf | Sequence | Stage | None = None) -> Iterator[Leaf]:
        """Every leaf, in order; those of a path come after the step that leads over it."""
        node = self.timeline if node is None else node
        if isinstance(node, Leaf):
            yield node
            if node.over is not None and node.taken and node.state != DONE:
                yield from self.walk(node.over)
        else:
            for child in node.stages if isinstance(node, Sequence) else node.lanes:
                yield from self.walk(child)

    def leaves_of(self, node: Leaf | Sequence | Stage) -> Iterator[Leaf]:
        """Every leaf of the same path."""
        if isinstance(node, Leaf):
            yield node
        else:
            for child in node.stages if isinstance(node, Sequence) else node.lanes:
                yield from self.leaves_of(child)

    def root(self, leaf: Leaf) -> Sequence:
        sequence = leaf.parent.parent
        while isinstance(sequence.parent, Stage):
            sequence = sequence.parent.parent
        return sequence

    def find(self, leaf: Leaf, target: str) -> Leaf | None:
        """The target on the innermost path around a leaf that has it."""
        while True:
            root = self.root(leaf)
            for each in self.leaves_of(root):
                if each.step == target:
                    return each
            if not isinstance(root.parent, Leaf):
                return None
            leaf = root.parent

    def way(self, leaf: Leaf) -> list[tuple[Sequence, int, int]]:
        """From the root of its path down to a leaf: sequence, stage, lane."""
        node: Leaf | Sequence = leaf
        steps: list[tuple[Sequence, int, int]] = []
        while isinstance(node.parent, Stage):
            stage = node.parent
            steps.append((stage.parent, stage.parent.stages.index(stage), stage.lanes.index(node)))
            node = stage.parent
        return steps[::-1]

    def lead(self, leaf: Leaf, root: Sequence) -> Leaf:
        while (own := self.root(leaf)) is not root:
            assert isinstance(own.parent, Leaf)
            leaf = own.parent
        return leaf

    def is_under(self, leaf: Leaf, other: Leaf) -> bool:
        while isinstance(owner := self.root(leaf).parent, Leaf):
            if owner is other:
                return True
            leaf = owner
        return False

    def everything(self, node: Leaf | Sequence | Stage) -> Iterator[Leaf]:
        for leaf in self.leaves_of(node):
            yield leaf
            if leaf.over is not None:
                yield from self.everything(leaf.over)

    def chain(self, leaf: Leaf) -> tuple[tuple[str, str], ...]:
        root = self.root(leaf)
        link = (root.key, leaf.step)
        return (*self.chain(root.parent), link) if isinstance(root.parent, Leaf) else (link,)

    def results(self, sequence: Sequence) -> list[str]:
        found: list[str] = []
        for lane in sequence.stages[-1].lanes:
            if isinstance(lane, Sequence):
                found += self.results(lane)
            elif lane.over is not None and lane.taken:
                found += self.results(lane.over)
            else:
                found.append(lane.step)
        return found

    def outer_rest(self, leaf: Leaf) -> Iterator[Stage]:
        """The stages behind a leaf in every sequence around it."""
        for sequence, stage, _ in self.way(leaf):
            yield from sequence.stages[stage + 1 :]


def is_done(node: Leaf | Sequence) -> bool:
    return node.at == len(node.stages) if isinstance(node, Sequence) else node.state == DONE


def close(node: Leaf | Sequence) -> None:
    if isinstance(node, Sequence):
        node.at = len(node.stages)
        for stage in node.stages:
            for lane in stage.lanes:
                close(lane)


def clear(node: Leaf | Sequence) -> None:
    if isinstance(node, Sequence):
        node.at = -1
        for stage in node.stages:
            for lane in stage.lanes:
                clear(lane)
    else:
        node.state, node.route, node.leaves, node.taken, node.over = IDLE, None, False, False, None


def matches(pattern: str, outcome: Payload | Failure) -> bool:
    failed = isinstance(outcome, Failure)
    if pattern in ("_", "ok", "error"):
        return pattern == "_" or (pattern == "error") is failed
    if isinstance(outcome, Failure) and outcome.error is None:
        return pattern in (outcome.kind, outcome.message)
    payload = outcome.error if isinstance(outcome, Failure) else outcome
    value = json.loads(payload.data) if payload is not None and payload.data else None
    if pattern.startswith("{"):
        wanted = json.loads(pattern)
        return isinstance(value, dict) and all(value.get(key) == member for key, member in wanted.items())
    return value == pattern
