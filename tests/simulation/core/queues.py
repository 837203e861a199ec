"""Which queues a world has: where its steps go, who serves which, and which executions are sent elsewhere.

They are drawn from dice of their own, so that a seed tells the same story beside them as before there were queues.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.worker import worker_service_pb as pb

NAMES = ("default", "gpu", "slow")
SERVES_ALL = "good"
"""The worker that a kind world has for everything."""


class Queues:
    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._there = self._dice("there").random() < 0.5

    def _dice(self, about: str) -> random.Random:
        return random.Random(f"queues of {self._seed}: {about}")

    def laid(self, blueprint: pb.Blueprint) -> pb.Blueprint:
        """The same workflow, with queues."""
        told = blueprint.definition or pb.WorkflowDefinition()
        dice = self._dice(f"{blueprint.workflow_module} of {len(told.timeline)}")
        if not self._there:
            return blueprint
        steps = [replace(step, queue=dice.choice(("", "", *NAMES))) for step in told.timeline]
        return replace(blueprint, definition=replace(told, timeline=steps, queue=dice.choice(("", "slow"))))

    def chosen(self, execution_id: str, blueprint: pb.Blueprint) -> str:
        """Where whoever starts this execution sends all of it; mostly nowhere in particular."""
        if not self._there or not (blueprint.definition and blueprint.definition.stages):
            return ""
        return self._dice(execution_id).choice(("", "", "", *NAMES))

    def served_by(self, worker_id: str) -> list[str]:
        """What a worker of our own serves, however often it comes back."""
        if not self._there:
            return []
        if worker_id == SERVES_ALL:
            return list(NAMES)
        dice = self._dice(worker_id)
        return dice.sample(NAMES, k=dice.randint(1, len(NAMES)))

    def serves(self, worker_id: str, queue: str) -> bool:
        """Whether a worker may have what waits in a queue; a deployed one serves the default queue."""
        served = [] if "old" in worker_id else self.served_by(worker_id)
        return queue in (served or ["default"])


def queue_of(definition: pb.WorkflowDefinition, past: Sequence[ev.Event], step: str) -> str:
    """Where a step goes, as its contract says."""
    started = past[0].fact
    told = started.queue if isinstance(started, ev.ExecutionStarted) else ""
    own = next(each.queue for each in definition.timeline if each.name == step)
    return told or own or definition.queue or "default"
