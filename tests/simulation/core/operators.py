"""An operator: pauses, resumes, terminates, retries, redrives, forks and migrates, whatever the moment.

Once the world is kind, only what stands still is let go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from cerebelum_client import ClientError, CoreUnavailable, InvalidRequest, NotFound, Refused
from cerebelum_client.lifecycle import Lifecycle
from cerebelum_proto.events.v1 import events_pb as ev
from tests.simulation.core.line import Line
from tests.simulation.core.steps import origin_of
from tests.simulation.core.truth import History

if TYPE_CHECKING:
    from tests.simulation.core.world import World

_MOST_FORKS = 3
_OVER_S = 150.0
"""After so long nothing that was said before the world turned kind is on its way any more."""


class Operator:
    """Steers the executions of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._line = Line(world, "operator")
        self._forks = 0
        self._refused: list[str] = []
        """Forks that a copy of the same call may make yet."""

    async def run(self) -> None:
        acts = [self._pause, self._resume, self._terminate, self._retry, self._redrive, self._fork, self._migrate]
        acts += [self._resume, self._retry, self._retry, self._look]
        while not self._world.calm:
            await asyncio.sleep(self._world.dice.expovariate(1 / 6))
            await self._do(self._world.dice.choice(acts), self._anyone())

    async def look_after(self) -> None:
        """Let go on what stands still, until everything has ended."""
        await asyncio.sleep(_OVER_S)
        for name in self._refused:
            if self._world.disk.history(name):
                self._world.adopt(name)
        self._world.settled.set()
        while True:
            for execution_id in list(self._world.callers):
                await self._do(self._resume, execution_id)
                await self._do(self._redrive, execution_id)
            await asyncio.sleep(30)

    def _anyone(self) -> str:
        return self._world.dice.choice(list(self._world.callers))

    async def _do(self, act: Callable[[str], Awaitable[None]], execution_id: str) -> None:
        try:
            await act(execution_id)
        except (Refused, InvalidRequest, NotFound, CoreUnavailable):
            pass  # it may not, or nobody knows whether it did
        except ClientError as error:
            self._world.broke(error)

    # -- what it does ------------------------------------------------------------------------

    async def _pause(self, execution_id: str) -> None:
        await self._steer(execution_id, "pause", ev.ExecutionPaused, lambda face: face.pause(execution_id))

    async def _resume(self, execution_id: str) -> None:
        await self._steer(execution_id, "resume", ev.ExecutionResumed, lambda face: face.resume(execution_id))

    async def _terminate(self, execution_id: str) -> None:
        if self._world.dice.random() < 0.3:
            end = ev.ExecutionCancelled
            await self._steer(execution_id, "terminate", end, lambda face: face.terminate(execution_id))

    async def _look(self, execution_id: str) -> None:
        """What is shown to people can be shown at any moment."""
        await self._line.steer("explain", lambda face: face.explain(execution_id))
        listed = await self._line.list()
        for status in listed.executions:
            self._world.truth.seen(status, self._world.disk.history(status.execution_id))

    async def _redrive(self, execution_id: str) -> None:
        await self._steer(execution_id, "redrive", ev.StepRedriven, lambda face: face.redrive(execution_id))

    async def _retry(self, execution_id: str) -> None:
        """What made it fail is mended first, mostly."""
        if self._world.dice.random() < 0.7:
            self._world.mended.add(execution_id)
        await self._steer(execution_id, "retry", ev.ExecutionRetried, lambda face: face.retry(execution_id))

    async def _migrate(self, execution_id: str) -> None:
        blueprint = self._world.dice.choice(self._world.own)
        submitted = await self._line.submit_blueprint(blueprint)
        digest = submitted.workflow_hash

        def moved(past: History) -> bool:
            return any(getattr(event.fact, "blueprint_hash", "") == digest for event in past)

        await self._line.steer("migrate", lambda face: face.migrate(execution_id, workflow_hash=digest))
        self._world.truth.promise(execution_id, "its move to another blueprint", moved)

    async def _fork(self, execution_id: str) -> None:
        """A fork is asked for until it is there, or refused: it may be there, and nobody would look after it."""
        if self._forks == _MOST_FORKS:
            return
        self._forks += 1
        name = f"{origin_of(execution_id)}f{self._forks}"
        step = self._world.dice.choice(["", "s1", "s2", "s3"])
        while True:
            try:
                await self._line.steer("fork", lambda face: face.fork(execution_id, step=step, new_execution_id=name))
                break
            except CoreUnavailable:
                await asyncio.sleep(1)
            except (Refused, InvalidRequest, NotFound):
                self._refused.append(name)
                raise
        self._world.adopt(name)
        self._world.truth.promise(name, "its origin", lambda past: _has(past, ev.ExecutionForked))

    async def _steer(
        self, execution_id: str, name: str, kind: type[object], call: Callable[[Lifecycle], Awaitable[Any]]
    ) -> None:
        await self._line.steer(name, call)
        self._world.truth.promise(execution_id, f"its {name}", lambda past: _has(past, kind))


def _has(past: History, kind: type[object]) -> bool:
    return any(isinstance(event.fact, kind) for event in past)
