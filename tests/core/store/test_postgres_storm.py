"""Appends go on while connections are killed and the server crashes, stops and stands still: nothing told is lost.

What happens when follows from the seed and from how far the writers are, never from a clock.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

import pytest

from cerebelum_core.clock import SystemClock
from cerebelum_core.errors import StoreUnavailable
from cerebelum_core.store import Append, EventStore
from cerebelum_core.store.postgres import open_postgres
from cerebelum_proto.events.v1.events_pb import Event, RetryDue
from tests.core.store.appends import START, head
from tests.core.store.databases import kill_backends
from tests.postgresql import PostgresServer

WRITERS = 12
STRIKES = 4
"""So often the storm strikes while they append."""
STORM_EVERY = 40
"""So many acknowledged appends at least from one storm to the next."""


@dataclass
class Storm:
    """Strikes a server again and again."""

    server: PostgresServer
    url: str
    dice: random.Random
    acknowledged: int = 0
    struck: int = 0
    due: asyncio.Event = field(default_factory=asyncio.Event)
    calm: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False

    def count(self) -> None:
        """One more append is acknowledged."""
        self.acknowledged += 1
        if self.acknowledged % STORM_EVERY == 0:
            self.due.set()

    async def rage(self) -> None:
        blows = [self._kill, self._kill, *([self._crash, self._stop, self._stand_still] if self.server.ours else ())]
        self.dice.shuffle(blows)
        self.calm.set()
        while True:
            await self.due.wait()
            if self.over:
                return
            self.due.clear()
            self.calm.clear()
            try:
                await asyncio.to_thread(blows[self.acknowledged // STORM_EVERY % len(blows)])
                self.struck += 1
            finally:
                self.calm.set()

    def end(self) -> None:
        """Strike no more, once what has begun is over."""
        self.over = True
        self.due.set()

    def _kill(self) -> None:
        kill_backends(self.url)

    def _crash(self) -> None:
        self.server.crash()
        self.server.start()

    def _stop(self) -> None:
        self.server.stop()
        self.server.start()

    def _stand_still(self) -> None:
        with self.server.standing_still():
            pass


@dataclass
class Writer:
    """Appends to one history, and reads where it stands whenever nobody knows."""

    store: EventStore
    storm: Storm
    execution_id: str
    sure: int = 0
    """How long the history is at least, by what was acknowledged or read."""

    async def run(self) -> None:
        while self.storm.struck < STRIKES:
            more = self.storm.dice.randint(1, 3)
            try:
                await self.store.append(self._append(more))
            except StoreUnavailable:
                found = await self.read()
                assert found in (self.sure, self.sure + more), f"{self.execution_id} has {found}, not {self.sure}"
                self.sure = found
            else:
                self.sure += more
                self.storm.count()

    async def read(self) -> int:
        """How long the history is; the server comes back, and with it an answer."""
        for _ in range(100):
            await self.storm.calm.wait()
            try:
                history = await self.store.read(self.execution_id)
            except StoreUnavailable:
                continue
            steps = [getattr(event.fact, "step", "") for event in history]
            assert steps == [f"s{version}" for version in range(1, len(history) + 1)]
            return len(history)
        raise AssertionError("the store does not answer though its server is there")

    def _append(self, count: int) -> Append:
        events = [
            Event(
                execution_id=self.execution_id,
                version=version,
                recorded_at=START,
                fact=RetryDue(step=f"s{version}"),
            )
            for version in range(self.sure + 1, self.sure + count + 1)
        ]
        return Append(execution_id=self.execution_id, expected_version=self.sure, events=events, head=head())


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_befalls_the_server_what_was_acknowledged_is_there_once(
    postgresql: PostgresServer, seed: int
) -> None:
    url = postgresql.new_database()
    store = open_postgres(url, "node", SystemClock(), patience_s=5)
    storm = Storm(postgresql, url, random.Random(seed))
    writers = [Writer(store, storm, f"x{number}") for number in range(WRITERS)]
    raging = asyncio.create_task(storm.rage())
    try:
        await asyncio.gather(*(writer.run() for writer in writers))
    finally:
        storm.end()
        await raging
    assert {writer.execution_id: await writer.read() for writer in writers} == {
        writer.execution_id: writer.sure for writer in writers
    }
    await store.close()
