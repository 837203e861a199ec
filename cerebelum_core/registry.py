"""Registry: finds the mailbox of an execution, or builds the execution again from its history.

An execution that owes no task leaves memory at once: a sleeper costs a row, not a process.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from itertools import islice

from cerebelum_core.clock import Clock
from cerebelum_core.errors import StoreError, UnknownExecution
from cerebelum_core.execution import Answer, Execution, Observer, Reply, answered
from cerebelum_core.reconstructor import StateReconstructor
from cerebelum_core.store import EventStore
from cerebelum_core.supervisor import Supervisor
from cerebelum_core.turns import Turns
from cerebelum_engine import Begin, Blueprint, Command, FireTimers, State, new, owed_by

MAX_LIVE = 10_000
"""Executions with owed tasks that stay in memory; the others are read again when their turn comes."""
MAX_READING = 2
"""Reads of many at one go that are under way: running work has its turn between them."""


class Registry:
    """Every execution that is awake, by id."""

    def __init__(
        self,
        *,
        store: EventStore,
        reconstructor: StateReconstructor,
        clock: Clock,
        supervisor: Supervisor,
        observer: Observer,
        max_live: int = MAX_LIVE,
    ) -> None:
        self._store = store
        self._reconstructor = reconstructor
        self._clock = clock
        self._supervisor = supervisor
        self._observer = observer
        self._max_live = max_live
        self._live: OrderedDict[str, Execution] = OrderedDict()
        self._loading: dict[str, asyncio.Task[Collection[str]]] = {}
        self._overtaken: set[str] = set()
        self._reading = asyncio.Semaphore(MAX_READING)
        self._turns = Turns(clock)
        self._posting: set[asyncio.Task[None]] = set()

    @property
    def live_count(self) -> int:
        """How many executions are in memory."""
        return len(self._live)

    def post_begin(self, command: Begin, blueprint: Blueprint, reply: Reply) -> None:
        """Begin an execution, or find that it has begun, and reply.

        Nothing is read first: that the id is taken is found when the first event is refused its place.

        Raises:
            Quarantined: the execution was set aside.
        """
        self._supervisor.require_healthy(command.execution_id)
        execution = self._live.get(command.execution_id) or self._adopt(command.execution_id, new(blueprint))
        if command.execution_id in self._loading:
            self._overtaken.add(command.execution_id)
        execution.post(command, reply)

    async def begin(self, command: Begin, blueprint: Blueprint) -> Answer:
        """Begin an execution, or find that it has begun."""
        return await answered(lambda reply: self.post_begin(command, blueprint, reply))

    def post(self, execution_id: str, command: Command, reply: Reply) -> None:
        """Carry out a command, and reply. `tell` without a task of its own, for executions that are in memory."""
        execution = self._live.get(execution_id)
        if execution is not None and self._supervisor.is_healthy(execution_id):
            self._live.move_to_end(execution_id)
            execution.post(command, reply)
            return
        posting = asyncio.ensure_future(self._post_later(execution_id, command, reply))
        self._posting.add(posting)
        posting.add_done_callback(self._posting.discard)

    async def _post_later(self, execution_id: str, command: Command, reply: Reply) -> None:
        try:
            reply(await self.tell(execution_id, command))
        except Exception as error:
            reply(error)

    async def tell(self, execution_id: str, command: Command) -> Answer:
        """Carry out a command.

        Raises:
            UnknownExecution, Quarantined, StoreError: it was not carried out, or nobody knows.
        """
        execution = await self._find(execution_id)
        if execution is None:
            raise _unknown(execution_id)
        return await execution.tell(command)

    async def tell_seeing(self, execution_id: str, choose: Callable[[State], Command]) -> Answer:
        """Carry out the command that is chosen by where the execution stands; whatever `choose` raises goes through.

        Raises:
            UnknownExecution, Quarantined, StoreError: as `tell`.
        """
        execution = await self._find(execution_id)
        if execution is None:
            raise _unknown(execution_id)
        try:
            command = choose(execution.state)
        except Exception:
            self.rest(execution)
            raise
        return await execution.tell(command)

    async def tell_each(self, execution_ids: Sequence[str], command: Command) -> Mapping[str, Answer | Exception]:
        """Carry out a command in several executions: those on disk are read at one go, what they lead to is written so.

        Raises:
            StoreError: they cannot be read.
        """
        await self.gather(execution_ids)
        answers: dict[str, Answer | Exception] = {}
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def take(execution_id: str, answer: Answer | Exception) -> None:
            answers[execution_id] = answer
            if len(answers) == len(execution_ids):
                _settle(answered)

        await self._turns.take()
        for execution_id in execution_ids:
            if self._turns.is_over:
                await self._turns.take()
            self.post(execution_id, command, partial(take, execution_id))
        await answered
        return answers

    async def gather(self, execution_ids: Sequence[str]) -> None:
        """Bring executions into memory, read at one go. One that cannot be had, or was set aside, is left out.

        Raises:
            StoreError: they cannot be read.
        """
        healthy = filter(self._supervisor.is_healthy, execution_ids)
        absent = [each for each in healthy if each not in self._live and each not in self._loading]
        if absent:
            self._begin_to_load(absent)
        loading = {self._loading[each] for each in execution_ids if each in self._loading}
        if not loading:
            return
        await asyncio.wait(loading)
        for each in loading:
            if not each.cancelled() and isinstance(error := each.exception(), StoreError):
                raise error

    def live_state(self, execution_id: str) -> State | None:
        """Where an execution stands that is in memory; None when it has to be read."""
        execution = self._live.get(execution_id)
        if execution is None or execution.in_doubt or execution.state.started is None:
            return None
        return execution.state

    async def state(self, execution_id: str) -> State:
        """Where an execution stands. Reading does not wake it.

        Raises:
            UnknownExecution: there is none.
        """
        known = self.live_state(execution_id)
        if known is not None:
            return known
        state = await self._reconstructor.read(execution_id)
        if state is None:
            raise _unknown(execution_id)
        return state

    async def settled_state(self, execution_id: str) -> State:
        """Where an execution stands once what is being written is written: never behind a history that was read.

        Raises:
            UnknownExecution: there is none.
        """
        execution = self._live.get(execution_id)
        if execution is not None:
            await execution.settled()
        return await self.state(execution_id)

    async def wake(self, execution_id: str) -> None:
        """Bring an execution into memory, so that the tasks that it owes are known.

        Raises:
            StoreError: nobody knows them yet.
        """
        execution = await self._find(execution_id)
        if execution is None:
            return
        if execution.state.started is None:
            # A start that is repeated after a restart has yet to find that it began long ago.
            await execution.settled()
        if execution.in_doubt:
            await execution.tell(FireTimers())  # any command reads first what it is in doubt about
        if execution.idle:
            self.rest(execution)

    @property
    def is_idle(self) -> bool:
        """Whether every mailbox in memory is empty."""
        under_way = self._posting or self._loading
        return not under_way and all(execution.idle for execution in self._live.values())

    async def settle(self) -> None:
        """Return when every mailbox is empty."""
        for under_way in (self._posting, self._loading.values()):
            if under_way:
                await asyncio.wait(under_way)
        for execution in list(self._live.values()):
            await execution.settled()

    async def _find(self, execution_id: str) -> Execution | None:
        self._supervisor.require_healthy(execution_id)
        while (execution := self._live.get(execution_id)) is None:
            loading = self._loading.get(execution_id)
            if loading is None or loading.done():  # what that brought has come and gone
                loading = self._begin_to_load([execution_id])
            try:
                found = await asyncio.shield(loading)
            except asyncio.CancelledError:
                # Whoever wanted it has gone away: it does not stay in memory for nobody.
                loading.add_done_callback(lambda _: self.release(execution_id))
                raise
            if execution_id not in found:
                return self._live.get(execution_id)
            # It may have come and gone while this caller waited for its turn.
            self._supervisor.require_healthy(execution_id)
        self._live.move_to_end(execution_id)
        return execution

    def _begin_to_load(self, execution_ids: Sequence[str]) -> asyncio.Task[Collection[str]]:
        load = self._load if len(execution_ids) == 1 else self._load_many
        loading = asyncio.create_task(load(execution_ids))
        self._loading.update(dict.fromkeys(execution_ids, loading))
        loading.add_done_callback(partial(self._loaded, execution_ids))
        return loading

    async def _load_many(self, execution_ids: Sequence[str]) -> Collection[str]:
        async with self._reading:
            return await self._load(execution_ids)

    async def _load(self, execution_ids: Sequence[str]) -> Collection[str]:
        """Bring executions into memory; those that there are."""
        histories = await self._reconstructor.histories(execution_ids)
        for execution_id, history in histories.items():
            if len(execution_ids) > 1 and self._turns.is_over:
                await self._turns.take()
            try:
                state = await self._reconstructor.fold(execution_id, history)
            except Exception:
                if len(execution_ids) == 1:
                    raise
                continue  # whoever wants it reads it alone, and is told why that fails
            # A start does not wait for this read; when it went on from there and has left, what was read is old.
            if execution_id not in self._live and execution_id not in self._overtaken:
                owed = owed_by(state)
                self._adopt(execution_id, state, owes_tasks=owed.ready)
                self._observer.loaded(state, owed)
        return histories

    def _loaded(self, execution_ids: Sequence[str], loading: asyncio.Task[Collection[str]]) -> None:
        for execution_id in execution_ids:
            if self._loading.get(execution_id) is loading:
                del self._loading[execution_id]
                self._overtaken.discard(execution_id)
        if not loading.cancelled():
            loading.exception()  # callers that have all gone away leave nobody to look at it

    def _adopt(self, execution_id: str, state: State, *, owes_tasks: bool = False) -> Execution:
        execution = Execution(
            execution_id,
            state,
            owes_tasks=owes_tasks,
            store=self._store,
            clock=self._clock,
            observer=self._observer,
            home=self,
        )
        self._live[execution_id] = execution
        return execution

    def release(self, execution_id: str) -> None:
        """Nobody wants an execution any more for whom it was brought into memory: it leaves, if it owes nothing."""
        execution = self._live.get(execution_id)
        if execution is not None:
            self.rest(execution)

    # -- a home of executions ----------------------------------------------------------------

    async def reread(self, execution: Execution) -> State:
        """Where an execution stands in the store."""
        return await self._reconstructor.read(execution.id) or new(execution.state.blueprint)

    def crashed(self, execution: Execution, error: Exception) -> bool:
        """Whether an execution may go on after this."""
        return self._supervisor.crashed(execution.id, error)

    def rest(self, execution: Execution) -> None:
        """Let an idle execution leave memory when it owes nothing, and the oldest ones when there are too many."""
        if execution.idle and not execution.owes_tasks and self._live.get(execution.id) is execution:
            del self._live[execution.id]
        excess = len(self._live) - self._max_live
        if excess > 0:
            for oldest in [*islice(self._live, excess)]:
                if self._live[oldest].idle:
                    del self._live[oldest]

    def forget(self, execution: Execution) -> None:
        """Let an execution leave memory, whatever it owes."""
        if self._live.get(execution.id) is execution:
            del self._live[execution.id]


def _settle(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def _unknown(execution_id: str) -> UnknownExecution:
    return UnknownExecution(f"there is no execution {execution_id!r}")
