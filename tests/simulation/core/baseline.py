"""What a Core still remembers. When everything has ended and everybody has left, it must be nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sized

from cerebelum_core.node import Node

KEPT = {
    "BlueprintRegistry._compiled",
    "BlueprintRegistry._newest",
    "BlueprintRegistry._warnings",
    "StateReconstructor._newest",
    "WorkflowScheduler._heap",
}
"""What has a bound of its own."""


def what_is_left(node: Node) -> dict[str, int]:
    """Every container in a Core's parts that is not empty, by its name."""
    router = node.router
    routing = (router, router.leases, router._queues, router._takers, router._claims)
    parts = (*routing, node.registry, node.watchers, node.scheduler, node.workers, *node.gates._gates.values())
    parts = (*parts, node.blueprints, node.registry._supervisor, node.reconstructor)
    return {name: size for part in parts for name, size in _sizes(part) if name not in KEPT}


def _sizes(part: object) -> Iterator[tuple[str, int]]:
    # A compiled class has no dictionary of its members; it names them.
    names = getattr(type(part), "__mypyc_attrs__", None) or vars(part)
    for name in names:
        value = getattr(part, name, None)
        if isinstance(value, Sized) and not isinstance(value, str | bytes | tuple) and len(value):
            yield f"{type(part).__name__}.{name}", len(value)
        elif isinstance(value, asyncio.Semaphore) and value.locked():
            yield f"{type(part).__name__}.{name}", 1
