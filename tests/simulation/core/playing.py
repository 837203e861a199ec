"""Plays one seed of a whole Core, and tells its story when an invariant breaks."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.simulation.core.world import World
from tests.simulation.engine.auditor import Broken
from tests.simulation.virtual_time import run

_FILES = "/dev/shm" if sys.platform == "linux" else None
"""What a power cut does to a file is not simulated here: it need not reach a disk."""


@dataclass
class Played:
    """What became of a seed: its story, and each event that was kept."""

    story: list[str] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """Of everything that happened."""
        return hashlib.sha256(b"\0".join([*self.events, *(line.encode() for line in self.story)])).hexdigest()


def play(seed: int) -> Played:
    """Run one seed: two worlds of three keep things in memory, the third in a file."""
    return play_in_memory(seed) if seed % 3 else play_on_file(seed)


def play_in_memory(seed: int) -> Played:
    """Run one seed on the memory store."""
    return _play(seed, None)


def play_on_file(seed: int) -> Played:
    """Run one seed on SQLite."""
    with TemporaryDirectory(dir=_FILES) as folder:
        return _play(seed, Path(folder))


def _play(seed: int, folder: Path | None) -> Played:
    """A broken invariant raises with the whole story."""
    played = Played()

    async def main() -> None:
        world = World(seed, folder)
        played.story = world.story
        histories = await world.run()
        played.events = [event.to_bytes() for history in histories.values() for event in history]

    try:
        run(main)
    except Exception as broken:
        story = "\n  ".join(played.story)
        raise Broken(f"seed {seed}: {type(broken).__name__}: {broken}\n  {story}") from broken
    return played
