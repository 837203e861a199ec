"""A whole Core in a random world: real parts under virtual time, and faults wherever something can fail.

What happens follows from the seed. When an invariant breaks, the story tells how it came to that.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, cast

from cerebelum.execution_stream import ExecutionStream, Requests
from cerebelum_core.edges.worker_edge import LeaseTerms
from cerebelum_core.errors import StoreError
from cerebelum_engine import validate
from cerebelum_proto.events.v1.events_pb import Event
from cerebelum_proto.worker import worker_service_pb as pb
from tests.simulation.core.baseline import what_is_left
from tests.simulation.core.core import Core, WallClock
from tests.simulation.core.disk import MemoryDisk, SqliteDisk
from tests.simulation.core.expectations import Expectations
from tests.simulation.core.library import Library
from tests.simulation.core.line import Line
from tests.simulation.core.operators import Operator
from tests.simulation.core.people import Caller, requested
from tests.simulation.core.queues import SERVES_ALL, Queues, queue_of
from tests.simulation.core.staff import Staff
from tests.simulation.core.steps import as_deployed
from tests.simulation.core.truth import Hands, Truth, require
from tests.simulation.core.weather import Weather
from tests.simulation.core.workers import hire, hire_deployed
from tests.simulation.engine.auditor import Broken, audit_task
from tests.simulation.engine.model import Model
from tests.simulation.engine.tree import given
from tests.simulation.engine.workflows import longer, random_workflow
from tests.simulation.virtual_time import Process

_DAY_S = 86_400
_CALM_TURNS = 24
"""So many times five seconds it takes until the last fault from before has worn off."""


class World:
    def __init__(self, seed: int, folder: Path | None = None) -> None:
        self.seed = seed
        self.dice = random.Random(seed)
        self.story: list[str] = []
        self.clock = WallClock()
        self.weather = Weather(self.dice)
        self.disk = SqliteDisk(folder, self.clock, self.weather) if folder else MemoryDisk()
        self.terms = LeaseTerms(ours_s=self.dice.choice((6.0, 30.0)), foreign_s=self.dice.choice((40.0, 120.0)))
        self.truth = Truth()
        self.hands = Hands(self.terms.ours_s, self._runs)
        self.queues = Queues(seed)
        drawn = [random_workflow(self.dice, f"flow{n}") for n in range(self.dice.randint(1, 2))]
        self.own = [self.queues.laid(each) for each in drawn]
        self.deployed = [as_deployed(random_workflow(self.dice, "deployed"))] if self.dice.random() < 0.5 else []
        self.operator = Operator(self) if self.dice.random() < 0.5 else None
        if self.operator is not None:
            self.own += [self.queues.laid(each) for each in map(longer, self.own) if not validate(each).errors]
        self.library = Library([*self.own, *self.deployed])
        self.mended: set[str] = set()
        """Executions whose steps do not fail any more."""
        self.callers: dict[str, Caller] = {}
        self.staff = Staff(self)
        self.core: Core | None = None
        self.former: Core | None = None
        """One that another has replaced, and that does not know it yet."""
        self.expectations = Expectations(self)
        self.stays: list[asyncio.Task[None]] = []
        self._cores = 0
        self._failure: BaseException | None = None
        self._people = Process("people")
        # Everybody starts by name, and with a payload.
        self.office = ExecutionStream(Line(self, "office").as_core, cast("Requests", requested))
        self.calm = False
        self.settled = asyncio.Event()
        """Nobody lets go on any more what has ended."""

    # -- what the others use -----------------------------------------------------------------

    def note(self, text: str) -> None:
        self.story.append(f"{_now():10.3f} s  {text}")

    def broke(self, error: BaseException) -> None:
        """An invariant broke where nobody waits for it."""
        self._failure = self._failure or error
        self.note(f"BROKEN: {error!r}")

    def handed_out(self, core: Core | None, worker_id: str, task: pb.Task, *, within: int = 1) -> None:
        """A Core hands a task out: by all that it knows, it must be owed, or was before the last few events."""
        self.note(f"{worker_id} is handed {task.task_id}")
        if core is None or not core.is_owner:
            return  # what one that was replaced hands out is lost work, and no more
        known = self.disk.history(task.execution_id)[: core.store.known.get(task.execution_id, 0)]
        mailbox = core.node.registry._live.get(task.execution_id)
        if mailbox is not None and not mailbox.idle:
            # Others may have read what it writes before it is told.
            within = max(within + 1, len(known) - mailbox.state.version + 1)
        for newer in range(within):
            past = known[: len(known) - newer]
            try:
                definition = self.library.definition_at(past)
                audit_task(definition, Model.of(definition, past), past, task)
                queue = queue_of(definition, past, task.step_name)
                require(self.queues.serves(worker_id, queue), f"{worker_id} is handed {task.task_id} of '{queue}'")
                break
            except Broken:
                if newer == within - 1:
                    raise
        self.hands.give(worker_id, task.task_id)

    @property
    def gives_up(self) -> bool:
        """Whether somebody ends what is a dead letter, because nobody may redrive it."""
        return self.operator is None or self.calm or self.dice.random() < 0.3

    def lies_about(self, tasks: list[pb.Task]) -> list[str]:
        """Ids of tasks that somebody says to hold who may not."""
        self.hands.lied_about.update(task.task_id for task in tasks)
        return [task.task_id for task in tasks]

    def _runs(self, worker_id: str, task_id: str) -> bool:
        """Whether a worker holds a task, and has no result of it."""
        holds = any(hired.worker_id == worker_id and hired.holds(task_id) for hired in self.staff)
        return holds and task_id not in self.truth.results

    # -- a run -------------------------------------------------------------------------------

    async def run(self) -> dict[str, list[Event]]:
        """Chaos for a while, then a kind world in which everything must come to its end: the histories then."""
        asyncio.get_running_loop().set_exception_handler(lambda _, what: self.broke(_error_of(what)))
        try:
            await self._play()
            histories = {each: self.disk.history(each) for each in self.callers}
            self.expectations.check(histories)
        finally:
            await self._clear()
            self.disk.close()
        self._raise_failure()
        return histories

    async def _play(self) -> None:
        await self._boot()
        self._call_people()
        for _ in range(self.dice.randint(1, 3)):
            self.staff.hire()
        chaos = (
            self._kill_core,
            self._stop_core,
            self._take_over,
            self.staff.hire,
            self.staff.fire,
            self.staff.replace,
            self.staff.freeze,
            self._cut_off,
            self._set_clock,
            self._wait,
        )
        acts = self.dice.sample(chaos, k=self.dice.randint(1, len(chaos)))
        for _ in range(self.dice.randint(3, 15)):
            await asyncio.sleep(self.dice.expovariate(1 / 8))
            await _done(self.dice.choice(acts)())
            self._raise_failure()
        await self._calm_down()
        await self._finish()
        await self._close_down()

    def _call_people(self) -> None:
        for number in range(self.dice.randint(1, 5)):
            blueprint = self.dice.choice([*self.own, *self.deployed])
            self.adopt(f"x{number}", blueprint)
        if self.operator is not None:
            self._people.start(self.operator.run()).add_done_callback(self._person_left)
        else:
            self.settled.set()

    def adopt(self, execution_id: str, blueprint: pb.Blueprint | None = None) -> None:
        """Somebody stays with an execution until it has ended: who starts it, or who has it as a fork."""
        self.callers[execution_id] = caller = Caller(self, execution_id, blueprint)
        stay = self._people.start(caller.run())
        stay.add_done_callback(self._person_left)
        self.stays.append(stay)

    def _person_left(self, work: asyncio.Task[None]) -> None:
        if not work.cancelled() and (error := work.exception()) is not None:
            self.broke(_first(error))

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    # -- the Core ----------------------------------------------------------------------------

    async def _boot(self) -> None:
        while self.core is None:
            self._cores += 1
            core = Core(self, self._cores)
            try:
                await core.process.start(core.node.start())
            except StoreError as error:
                self.note(f"{core.process.name} cannot start: {error}")
                await core.process.kill()
                self.disk.crash()
                await asyncio.sleep(1)
                continue
            self.note(f"{core.process.name} is up")
            self.core = core

    async def _kill_core(self) -> None:
        if self.core is not None:
            core, self.core = self.core, None
            self.note(f"{core.process.name} is killed")
            await core.process.kill()
            self.disk.crash()
        await asyncio.sleep(self.dice.choice((0.0, 0.1, 5.0, 50.0)))
        await self._boot()

    async def _stop_core(self) -> None:
        if self.core is None:
            return
        core, self.core = self.core, None
        self.note(f"{core.process.name} is told to stop")
        async with asyncio.timeout(600):
            await core.stop()
        left = core.process.running
        require(not left, f"{core.process.name} stopped and left {left} behind")
        await core.process.kill()
        self.disk.crash()
        await self._boot()

    async def _take_over(self) -> None:
        """A Core stands still for longer than its lease; another takes its store; then it goes on where it was."""
        if self.core is None or not isinstance(self.disk, MemoryDisk):
            return
        await self._retire()
        self.former, self.core = self.core, None
        self.note(f"{self.former.process.name} stands still, and another one takes its place")
        self.former.store.thawed.clear()
        await self._boot()
        asyncio.get_running_loop().call_later(self.dice.uniform(0, 30), self.former.store.thawed.set)

    async def _retire(self) -> None:
        """One that was replaced finds it out, and ends."""
        if self.former is not None:
            former, self.former = self.former, None
            await former.process.kill()

    def nearest(self) -> Core | None:
        """The Core that a caller reaches."""
        return self.former if self.former is not None and self.dice.random() < 0.3 else self.core

    def _cut_off(self) -> None:
        """The store cannot be reached for a while."""
        outage_s = self.dice.choice((0.5, 5.0, 40.0))
        self.note(f"the store cannot be reached for {outage_s} s")
        self.weather.outage_until = _now() + outage_s

    # -- time --------------------------------------------------------------------------------

    def _set_clock(self) -> None:
        by_s = self.dice.choice((-_DAY_S, -3_600, -30, -1, 1, 30, 3_600, _DAY_S))
        self.note(f"the wall clock is set by {by_s} s")
        self.clock.ahead_ns += by_s * 1_000_000_000

    async def _wait(self) -> None:
        await asyncio.sleep(self.dice.choice((1.0, 30.0, 200.0)))

    # -- the end -----------------------------------------------------------------------------

    async def _calm_down(self) -> None:
        """No more faults, a Core, and workers for everything."""
        self.note("the world turns kind")
        self.calm = True
        self.weather.clear_up()
        await self._retire()
        await self._boot()
        for hired in self.staff:
            hired.line.thawed.set()
            if hired.worker is None and not hired.sits:
                await hired.process.kill()
        if self.operator is not None:
            self._people.start(self.operator.look_after()).add_done_callback(self._person_left)
        self.staff.append(hire(self, SERVES_ALL))
        if self.deployed:
            self.staff.append(hire_deployed(self, "good old"))

    async def _finish(self) -> None:
        """Let everything end. Where all only wait for a timer, it is made due."""
        for turn in range(800):
            await asyncio.sleep(5)
            self._raise_failure()
            if turn > _CALM_TURNS:
                self.expectations.require_punctual_timers()
                self.expectations.require_followers_that_keep_up()
            if self.settled.is_set() and all(stay.done() for stay in self.stays):
                await self.office.close()
                return
            self._skip_what_is_waited_for()
        raise Broken(f"this never ended: {self.expectations.unfinished()}")

    def _skip_what_is_waited_for(self) -> None:
        heads = [head.head for each in self.callers if (head := self.disk.head(each)) is not None]
        waiting = [head.wake_at.to_ns() for head in heads if head.wake_at is not None]
        if waiting and not any(head.ready for head in heads) and self.dice.random() < 0.3:
            self.clock.ahead_ns += max(0, min(waiting) - self.clock.now().to_ns())

    async def _close_down(self) -> None:
        """People and workers leave; then the Core remembers nothing that is over, and stops."""
        await self._people.kill()
        for hired in self.staff:
            if hired.worker is not None and hired.process.alive:
                hired.worker.stop()
            else:
                await hired.process.kill()
        await asyncio.sleep(2 * self.terms.foreign_s + 200)
        core = given(self.core, "there is no Core")
        left = what_is_left(core.node)
        require(not left, f"memory is not back to its baseline: {left}")
        self.core = None
        await core.stop()
        require(not core.process.running, f"it stopped and left {core.process.running} behind")
        self.disk.crash()

    async def _clear(self) -> None:
        processes = [self._people, *(each.process for each in self.staff)]
        processes += [core.process for core in (self.core, self.former) if core is not None]
        for process in processes:
            await process.kill()


async def _done(act: Awaitable[None] | None) -> None:
    if act is not None:
        await act


def _error_of(what: dict[str, Any]) -> BaseException:
    error = what.get("exception")
    return error if isinstance(error, BaseException) else Broken(str(what.get("message")))


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _now() -> float:
    return asyncio.get_running_loop().time()
