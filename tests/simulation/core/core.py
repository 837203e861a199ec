"""One Core process of a simulated world, and the wall clock on its wall."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from cerebelum.embedded import EmbeddedCore
from cerebelum_client import ClientError
from cerebelum_client.errors import CoreFailed
from cerebelum_codegen.runtime import Timestamp
from cerebelum_codegen.runtime.rpc import RequestContext
from cerebelum_core.node import Node, NodeConfig
from tests.simulation.core.disk import FaultyStore, SqliteDisk
from tests.simulation.virtual_time import Process

if TYPE_CHECKING:
    from tests.simulation.core.world import World

_T = TypeVar("_T")

START_NS = 1_700_000_000_000_000_000


@dataclass
class WallClock:
    """Goes with the loop, and is set now and then."""

    ahead_ns: int = 0

    def now(self) -> Timestamp:
        return Timestamp.from_ns(START_NS + int(_now() * 1e9) + self.ahead_ns)


class Core:
    """One Core process."""

    def __init__(self, world: World, number: int) -> None:
        self._world = world
        self.process = Process(f"core {number}")
        self.store = FaultyStore(
            world.disk.open(self.process.name),
            world.weather,
            world.note,
            wrote=world.hands.wrote,
            closes=isinstance(world.disk, SqliteDisk),
        )
        self.node = Node(
            NodeConfig(
                node_id=self.process.name,
                version="simulated",
                terms=world.terms,
                snapshot_every=(2, 3, 5, 256)[world.seed % 4],
                max_live=(1, 2, 10_000)[world.seed // 4 % 3],
            ),
            store=self.store,
            clock=world.clock,
            random_bytes=world.dice.randbytes,
        )
        self.face = EmbeddedCore(self.node, random.Random(world.seed).random, RequestContext())
        self._calls: set[asyncio.Task[Any]] = set()

    def serve(self, call: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Answer a call in this process."""
        work = self.process.start(call)
        self._calls.add(work)
        work.add_done_callback(self._served)
        return work

    def _served(self, work: asyncio.Task[Any]) -> None:
        self._calls.discard(work)
        if work.cancelled() or (error := work.exception()) is None:
            return
        if not isinstance(error, ClientError) or isinstance(error, CoreFailed):
            self._world.broke(error)

    @property
    def is_owner(self) -> bool:
        """Whether no other Core has taken its place."""
        return self._world.core is self

    @property
    def is_up(self) -> bool:
        """Whether callers reach it: one that was replaced and does not know it yet answers too."""
        return self in (self._world.core, self._world.former)

    async def stop(self) -> None:
        """As `cerebelum core` does on SIGTERM."""
        await self.process.start(self.node.drain())
        if self._calls:
            await asyncio.wait(self._calls, timeout=10)
        for call in self._calls:
            call.cancel()
        await self.process.start(self.node.stop())


def _now() -> float:
    return asyncio.get_running_loop().time()
