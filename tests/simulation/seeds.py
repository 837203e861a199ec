"""One seed of either kind of world, and what there is to tell of it."""

from __future__ import annotations

from collections.abc import Callable

from tests.simulation.core import playing as core
from tests.simulation.engine import world as engine
from tests.simulation.engine.tree import Broken

KINDS: dict[str, Callable[[int], object]] = {"engine": engine.play, "core": core.play}


def play(kind: str, seed: int) -> tuple[int, str]:
    """The seed, and its story when an invariant breaks."""
    try:
        KINDS[kind](seed)
    except Broken as broken:
        return seed, str(broken)
    return seed, ""
