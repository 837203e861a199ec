"""A workflow as a tree of steps, stages and sequences, and what a pattern stands for."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from cerebelum_proto.types.v1.types_pb import Failure, Payload
from cerebelum_proto.worker import worker_service_pb as pb

IDLE, DUE, OPEN, CLOSED, DONE = "idle", "due", "open", "closed", "done"


class Broken(AssertionError):
    """An invariant does not hold."""


def require(holds: bool, message: str) -> None:
    if not holds:
        raise Broken(message)


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
