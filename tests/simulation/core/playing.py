"""Plays one seed of a whole Core, and tells its story when an invariant breaks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cerebelum_proto.events.v1.events_pb import Event
from tests.simulation.core.world import World
from tests.simulation.engine.auditor import Broken
from tests.simulation.virtual_time import run


@dataclass
class Played:
    """What became of a seed."""

    story: list[str] = field(default_factory=list)
    histories: dict[str, list[Event]] = field(default_factory=dict)


def play(seed: int, folder: Path | None = None) -> Played:
    """Run one seed, on SQLite when there is a folder. A broken invariant raises with the whole story."""
    played = Played()

    async def main() -> None:
        world = World(seed, folder)
        played.story = world.story
        await world.run()

    try:
        run(main)
    except Exception as broken:
        story = "\n  ".join(played.story)
        raise Broken(f"seed {seed}: {type(broken).__name__}: {broken}\n  {story}") from broken
    return played
