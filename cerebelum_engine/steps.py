"""The visits of an execution's steps: a map of which many states share most, so that a change costs the same however
many steps there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cerebelum_engine.phase import COMPLETED
from cerebelum_engine.visit import StepState

_MOST_RECENT = 64


@dataclass(slots=True, kw_only=True, eq=False)
class Steps:
    """The last visit of each step entered so far, in the order in which they were first entered."""

    settled: Mapping[str, StepState] = field(default_factory=dict)
    """Shared with states before and after: nobody writes to it."""
    recent: dict[str, StepState] = field(default_factory=dict)
    """What has changed since; copied with each state."""
    completed: int = 0
    """How many of them have a result."""
    count: int = 0
    most_visits: int = 0
    """How often the one was visited that was visited most, ever."""

    def copied(self) -> Steps:
        """A copy to be changed."""
        return Steps(
            settled=self.settled,
            recent=self.recent.copy(),
            completed=self.completed,
            count=self.count,
            most_visits=self.most_visits,
        )

    def put(self, name: str, visit: StepState) -> None:
        """Set the last visit of a step."""
        self.follow(self.get(name), name, visit)

    def follow(self, before: StepState | None, name: str, visit: StepState) -> None:
        """The same, for whoever knows the visit before, if there was one."""
        if before is None:
            self.count += 1
        elif before.phase is COMPLETED:
            self.completed -= 1
        if visit.phase is COMPLETED:
            self.completed += 1
        self.most_visits = max(self.most_visits, visit.visit)
        self.recent[name] = visit
        if len(self.recent) > _MOST_RECENT:
            self.settled, self.recent = {**self.settled, **self.recent}, {}

    def get(self, name: str) -> StepState | None:
        """The last visit of a step; None when it was never entered."""
        visit = self.recent.get(name)
        return visit if visit is not None or not self.settled else self.settled.get(name)

    def __getitem__(self, name: str) -> StepState:
        visit = self.recent.get(name)
        return visit if visit is not None else self.settled[name]

    def __contains__(self, name: str) -> bool:
        return name in self.recent or name in self.settled

    def __iter__(self) -> Iterator[str]:
        yield from self.settled
        yield from (name for name in self.recent if name not in self.settled)

    def __len__(self) -> int:
        return self.count

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Steps) and dict(self.items()) == dict(other.items())

    def __hash__(self) -> int:
        raise TypeError("steps are compared by what they hold, which changes: they have no hash")

    def of(self, names: tuple[str, ...]) -> list[StepState]:
        """The last visits of these, all of which were entered."""
        recent, settled = self.recent, self.settled
        return [recent[name] if name in recent else settled[name] for name in names]

    def items(self) -> Iterator[tuple[str, StepState]]:
        """Each step and its last visit."""
        return ((name, self[name]) for name in self)

    def values(self) -> Iterator[StepState]:
        """The last visits."""
        return (self[name] for name in self)
