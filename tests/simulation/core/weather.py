"""How bad a world is: which faults it knows and how often they strike. Each world draws its own mixture."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

FAULTS = (
    "commit_fails",
    "commit_unanswered",
    "read_fails",
    "stall",
    "request_lost",
    "answer_lost",
    "half_open",
    "doubled",
)
"""Each with its own probability, for every time that it could strike."""


_OUTAGE = {"commit_fails": 0.8, "commit_unanswered": 1.0, "read_fails": 1.0}
"""What an outage makes of a call that was under way or comes in the middle of it."""


@dataclass
class Weather:
    dice: random.Random
    chances: dict[str, float] = field(default_factory=dict)
    slowness_s: float = 0.0
    outage_until: float = 0.0
    """Until this instant the store cannot be reached."""

    def __post_init__(self) -> None:
        # Many worlds know only a few faults: an all too bad one hides what a single fault can do.
        for fault in FAULTS:
            self.chances[fault] = self.dice.choice((0.0, 0.0, 0.02, 0.10))
        self.chances["stall"] /= 10
        self.slowness_s = self.dice.choice((0.0, 0.01, 0.3))

    def happens(self, fault: str) -> bool:
        if fault in _OUTAGE and self.outage_until > asyncio.get_running_loop().time():
            return self.dice.random() < _OUTAGE[fault]
        return self.dice.random() < self.chances[fault]

    def may_cut_off(self) -> None:
        """An answer may be lost because the store is lost, for a while."""
        if self.dice.random() < 0.3 and any(self.chances.values()):
            self.outage_until = asyncio.get_running_loop().time() + self.dice.uniform(1, 10)

    def clear_up(self) -> None:
        """No more faults. What is slow stays so."""
        self.outage_until = 0.0
        self.chances = dict.fromkeys(self.chances, 0.0)

    async def hop(self) -> None:
        """A moment in which others may come first: some turns of the loop, or some time."""
        roll = self.dice.random()
        if roll < 0.5:
            for _ in range(self.dice.randrange(3)):
                await asyncio.sleep(0)
        else:
            await asyncio.sleep(self.disk_delay_s())

    def disk_delay_s(self) -> float:
        return self.dice.random() * self.slowness_s

    def travel_s(self) -> float:
        """How long a message travels. Now and then one is overtaken by many."""
        return self.disk_delay_s() * (20 if self.dice.random() < 0.05 else 1)
