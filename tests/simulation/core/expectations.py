"""What a world holds its Core to once it is kind: timers are punctual, followers keep up, all ends as it must."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from cerebelum_codegen.runtime import Timestamp
from cerebelum_core.execution import head_of
from cerebelum_engine import new, owed_by, reconstruct
from cerebelum_proto.events.v1.events_pb import Event
from tests.simulation.core.truth import has_ended, require
from tests.simulation.engine.auditor import audit
from tests.simulation.engine.model import Model

if TYPE_CHECKING:
    from tests.simulation.core.world import World

_KEEPS_UP_TURNS = 4
"""So many looks, five seconds apart, after which a follower has seen what there was on the first of them."""


class Expectations:
    def __init__(self, world: World) -> None:
        self.world = world
        self._lengths: deque[dict[str, int]] = deque(maxlen=_KEEPS_UP_TURNS)
        """How long the histories were on the last looks."""
        self._overdue: dict[tuple[str, Timestamp], int] = {}

    def require_punctual_timers(self) -> None:
        """In a kind world a timer fires when it is due, or when the Core next looks at the clock."""
        world = self.world
        now = world.clock.now()
        heads = {each: world.disk.head(each) for each in world.callers}
        due = {(each, head.head.wake_at) for each, head in heads.items() if head is not None and head.head.wake_at}
        overdue = {timer for timer in due if timer[1] <= now}
        self._overdue = {timer: self._overdue.get(timer, 0) + 1 for timer in overdue}
        late = [execution_id for (execution_id, _), turns in self._overdue.items() if turns > 2]
        require(not late, f"the timers of {late} do not fire")

    def require_followers_that_keep_up(self) -> None:
        """In a kind world who follows an execution has soon seen what is durable of it."""
        world = self.world
        self._lengths.append(
            {each: len(world.disk.history(each)) for each, caller in world.callers.items() if caller.follows}
        )
        for execution_id, length in self._lengths[0].items() if len(self._lengths) == _KEEPS_UP_TURNS else ():
            seen = len(world.callers[execution_id].seen)
            require(seen >= length, f"{execution_id}: a follower has seen {seen} events of {length}")

    def unfinished(self) -> list[str]:
        """What has not ended, or who still waits."""
        world = self.world
        found = []
        for each in world.callers:
            history = world.disk.history(each)
            if not has_ended(history):
                found.append(f"{each} at {type(history[-1].fact).__name__ if history else 'nothing'}")
        return found or [str(stay) for stay in world.stays if not stay.done()]

    def check(self, histories: dict[str, list[Event]]) -> None:
        """In the end its row, its followers and whoever had an answer say of an execution what its history does."""
        world = self.world
        for execution_id, history in histories.items():
            definition = world.library.definition_at(history)
            audit(definition, history)
            Model.of(definition, history)
            require(has_ended(history), f"{execution_id} has not ended")
            require(world.callers[execution_id].seen == history, f"{execution_id}: a follower saw something else")
            head = world.disk.head(execution_id)
            state = reconstruct(new(world.library.first_of(history)), history)
            require(head is not None and head.version == len(history), f"{execution_id}: its row is at {head}")
            row = head_of(state, owed_by(state))
            require(head is not None and head.head == row, f"{execution_id}: its row says {head}")
        world.truth.check(histories)
