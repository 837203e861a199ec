"""One seed of a kind of world, and what there is to tell of it."""

from __future__ import annotations

from importlib import import_module

KINDS = {
    "engine": "tests.simulation.engine.world",
    "walk": "tests.simulation.engine.walk",
    "core": "tests.simulation.core.playing",
}
"""Where each is played. Imported when it is: a bug may be planted before."""


def play(kind: str, seed: int) -> tuple[int, str]:
    """The seed, and its story when an invariant breaks."""
    world = import_module(KINDS[kind])
    try:
        world.play(seed)
    except world.Broken as broken:
        return seed, str(broken)
    return seed, ""
