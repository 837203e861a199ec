"""Everybody who works in a world: they come, are told to go, die, and stand still for a while."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.simulation.core.workers import Hired, hire, hire_deployed, hire_liar, hire_sitter

if TYPE_CHECKING:
    from tests.simulation.core.world import World


class Staff(list[Hired]):
    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._hired = 0

    def hire(self) -> None:
        """One more: of our own mostly, else one that was deployed, a liar, or one that never ends what it begins."""
        roll, self._hired = self._world.dice.random(), self._hired + 1
        free = [each.worker_id for each in self if not each.process.alive]
        if roll < 0.1:
            hired = hire_liar(self._world, f"liar{self._hired}")
        elif roll < 0.15:
            hired = hire_sitter(self._world, f"sitter{self._hired}")
        elif self._world.deployed and roll < 0.5:
            hired = hire_deployed(self._world, self._name("old", free))
        else:
            hired = hire(self._world, self._name("w", free))
        self._world.note(f"{hired.worker_id} begins to work")
        self[:] = [*(each for each in self if each.worker_id != hired.worker_id), hired]

    def _name(self, kind: str, free: list[str]) -> str:
        """A name of its own, or that of one who is gone."""
        return self._world.dice.choice([f"{kind}{self._hired}", *(name for name in free if name.startswith(kind))])

    async def fire(self) -> None:
        """One is told to stop, or dies."""
        living = [each for each in self if each.process.alive]
        if not living:
            return
        hired = self._world.dice.choice(living)
        if hired.worker is not None and self._world.dice.random() < 0.3:
            self._world.note(f"{hired.worker_id} is told to stop")
            hired.worker.stop()
        else:
            self._world.note(f"{hired.worker_id} is killed")
            await hired.process.kill()

    async def replace(self) -> None:
        """A worker's process dies and comes up again under the same name."""
        living = [each for each in self if each.process.alive and each.worker is not None]
        if not living:
            return
        gone = self._world.dice.choice(living)
        self._world.note(f"{gone.worker_id} is killed and begins anew")
        await gone.process.kill()
        self[self.index(gone)] = hire(self._world, gone.worker_id)

    def freeze(self) -> None:
        """A worker's process is stopped for a while and goes on as if nothing had been."""
        if not self:
            return
        hired = self._world.dice.choice(self)
        pause_s = self._world.dice.choice((1.0, 20.0, 100.0))
        self._world.note(f"{hired.worker_id} is frozen for {pause_s} s")
        hired.line.thawed.clear()
        asyncio.get_running_loop().call_later(pause_s, hired.line.thawed.set)
