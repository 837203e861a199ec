"""One execution as a process: a mailbox, one command after another, and nothing acknowledged before it is durable.

It has no task of its own. A command is decided as soon as the one before it is on disk; whoever sent it is called
back. So an execution costs nothing while it waits, and a step costs one append.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeAlias, TypeVar

from cerebelum_core.clock import Clock
from cerebelum_core.errors import StoreError, StoreUnavailable, VersionConflict
from cerebelum_core.store import Append, EventStore, Head, Outcome, shard_of
from cerebelum_engine import (
    Command,
    Owed,
    Rejected,
    State,
    carry_out,
    current_step,
    owed_by,
    owed_since,
    step_index,
    summary,
)
from cerebelum_proto.events.v1.events_pb import Event

_T = TypeVar("_T")
_log = logging.getLogger(__name__)
_UNKNOWN = (VersionConflict, StoreUnavailable)
_RELOADS = 3
"""How often a batch of commands is decided anew on a history that somebody else moved on."""


@dataclass(slots=True)
class Accepted:
    """A command that was carried out: its events are durable. None of them: it had been carried out before."""

    events: Sequence[Event]
    state: State


Answer: TypeAlias = Accepted | Rejected
Reply: TypeAlias = Callable[[Answer | Exception], None]
"""Called once, with what became of a command, or why nobody knows."""


class Observer(Protocol):
    """Whoever acts on what became durable."""

    def committed(self, state: State, owed: Owed) -> None:
        """New events are durable; they led to this state, and to what it owes."""

    def loaded(self, state: State, owed: Owed) -> None:
        """This state was read from the store. It may owe more than was told before, or what others have in hand."""

    def unsure(self, execution_id: str) -> None:
        """Until it is read again (`loaded`), nobody knows what an execution owes."""

    def doubted(self, execution_id: str) -> None:
        """Nobody knows whether events became durable. The next command finds out: see that there is one."""


class Home(Protocol):
    """Where executions are kept while they are in memory."""

    async def reread(self, execution: Execution) -> State:
        """Where an execution stands in the store."""

    def rest(self, execution: Execution) -> None:
        """It has nothing to do any more, for now."""

    def forget(self, execution: Execution) -> None:
        """It is not to be told anything any more: whoever wants it next reads it anew."""

    def crashed(self, execution: Execution, error: Exception) -> bool:
        """Whether it may go on after this."""


@dataclass(slots=True)
class _Letter:
    command: Command
    reply: Reply
    answer: Answer | None = None
    replied: bool = False


@dataclass(slots=True)
class _Batch:
    """Letters decided together, and what they lead to."""

    letters: tuple[_Letter, ...]
    events: Sequence[Event]
    state: State
    owed: Owed
    head: Head | None = None
    """None while there are no events."""


class Execution:
    """The mailbox of one execution."""

    def __init__(
        self,
        execution_id: str,
        state: State,
        *,
        owes_tasks: bool,
        store: EventStore,
        clock: Clock,
        observer: Observer,
        home: Home,
    ) -> None:
        self.id = execution_id
        self.state = state
        self.owes_tasks = owes_tasks
        self._shard = shard_of(execution_id)
        self._store = store
        self._clock = clock
        self._observer = observer
        self._home = home
        self._head: Head | None = None
        """The head that is stored. None: whatever it is, it is written anew."""
        self._letters: list[_Letter] = []
        self._current: tuple[_Letter, ...] = ()
        """Those that are decided, and written."""
        self._writing: _Batch | None = None
        self._busy = False
        self.in_doubt = False
        """Whether what was written last may be durable or not: only reading tells."""
        self._recovering: asyncio.Task[None] | None = None
        self._settling: list[asyncio.Future[None]] = []

    @property
    def idle(self) -> bool:
        """Whether nobody waits for an answer."""
        return not self._busy and not self._letters

    def post(self, command: Command, reply: Reply) -> None:
        """Carry out a command after those that came before, and reply."""
        letter = _Letter(command, reply)
        if self._busy:
            self._letters.append(letter)
        else:
            self._go_on((letter,))

    async def tell(self, command: Command) -> Answer:
        """Carry out a command after those that came before. A caller that goes away does not stop it."""
        return await answered(partial(self.post, command))

    async def settled(self) -> None:
        """Return when every letter that is here now is answered."""
        while not self.idle:
            settling: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._settling.append(settling)
            await settling

    def _go_on(self, letters: tuple[_Letter, ...]) -> None:
        """Decide these letters, then what comes meanwhile, until something has to become durable."""
        try:
            while letters:
                self._busy = True
                self._current = letters
                if self.in_doubt:
                    self._recover(letters)
                    return
                try:
                    batch = self._decide(letters)
                    if batch.events:
                        self._writing = batch
                        self._store.post(self._append_of(batch), self._written)
                        return
                except Exception as error:
                    self._writing = None
                    self._recover(letters, error)
                    return
                self._answer(batch)
                letters = self._arrived()
            self._rest()
        except BaseException:
            self._interrupted()
            raise

    def _arrived(self) -> tuple[_Letter, ...]:
        """The letters that have come, taken out of the box."""
        if not self._letters:
            return ()
        letters, self._letters = self._letters, []
        return tuple(letters)

    def _rest(self) -> None:
        self._busy = False
        self._current = ()
        self._home.rest(self)
        if self._settling:
            settling, self._settling = self._settling, []
            for each in settling:
                _settle(each, None)

    def _written(self, outcome: Outcome) -> None:
        batch, self._writing = self._writing, None
        if batch is None:
            return
        try:
            try:
                if outcome is None:
                    self._take(batch)
            except Exception as error:
                outcome = error
            if outcome is None:
                self._answer(batch)
                self._go_on(self._arrived())
            else:
                self._recover(batch.letters, outcome)
        except BaseException:
            self._interrupted()
            raise

    def _take(self, batch: _Batch) -> None:
        """The events of a batch are durable."""
        self.state, self._head = batch.state, batch.head
        self.owes_tasks = batch.owed.ready
        self._observer.committed(batch.state, batch.owed)

    def _answer(self, batch: _Batch) -> None:
        for letter in batch.letters:
            if letter.answer is not None:
                _reply(letter, letter.answer)

    def _decide(self, letters: tuple[_Letter, ...]) -> _Batch:
        """Decide letters one after another; all that they lead to becomes durable in one append."""
        state = self.state
        events: Sequence[Event] = ()
        for letter in letters:
            carried = carry_out(state, letter.command, self._clock.now())
            if isinstance(carried, Rejected):
                letter.answer = carried
                continue
            decided, state = carried
            events = [*events, *decided] if events else decided
            letter.answer = Accepted(decided, state)
        return _Batch(letters, events, state, owed_since(self.state, state))

    def _append_of(self, batch: _Batch) -> Append:
        batch.head = head = head_of(batch.state, batch.owed)
        return Append(
            execution_id=batch.state.execution_id,
            expected_version=self.state.version,
            events=batch.events,
            head=head,
            before=self._head,
            shard=self._shard,
        )

    # -- when something goes wrong -----------------------------------------------------------

    def _recover(self, letters: tuple[_Letter, ...], error: Exception | None = None) -> None:
        self._doubt()
        self._recovering = asyncio.ensure_future(self._decide_anew(letters, error))
        self._recovering.add_done_callback(self._recovered)

    async def _decide_anew(self, letters: tuple[_Letter, ...], error: Exception | None) -> None:
        try:
            batch = await self._read_and_decide(letters, error)
        except Exception as failure:
            for letter in letters:
                _reply(letter, failure)
            if isinstance(failure, _UNKNOWN):
                self._observer.doubted(self.id)
        else:
            self._answer(batch)
        self._recovering = None
        self._go_on(self._arrived())

    def _recovered(self, recovering: asyncio.Task[None]) -> None:
        if self._recovering is recovering:  # whoever cancels all tasks has cancelled this one too
            self._recovering = None
            self._give_up()

    def _interrupted(self) -> None:
        """A handler of signals has raised, between any two calls: nobody knows how far this one is."""
        asyncio.get_running_loop().call_soon(self._give_up)

    def _give_up(self) -> None:
        """Leave it to another that is read anew; what this one still hears of its append is about nothing."""
        if not self._busy:
            return
        self._writing = None
        self._home.forget(self)
        self._observer.unsure(self.id)
        self._observer.doubted(self.id)
        for letter in (*self._current, *self._arrived()):
            _reply(letter, StoreUnavailable(f"execution {self.id!r} was interrupted"))
        self._rest()

    async def _read_and_decide(self, letters: tuple[_Letter, ...], error: Exception | None) -> _Batch:
        """Whether an append happened is unknown: only reading tells. The engine knows what it has recorded."""
        for _ in range(_RELOADS):
            if error is not None and not self._may_go_on(error):
                break
            try:
                await self._find_out()
                batch = self._decide(letters)
                if batch.events:
                    await self._store.append(self._append_of(batch))
                    self._take(batch)
            except Exception as again:
                self._doubt()
                error = again
            else:
                return batch
        raise error or AssertionError("unreachable")

    def _doubt(self) -> None:
        self.in_doubt = True
        self._observer.unsure(self.id)

    async def _find_out(self) -> None:
        """Read what is durable. What was written without an answer is owed like anything else."""
        self.state, self._head = await self._home.reread(self), None
        self.in_doubt = False
        owed = owed_by(self.state)
        self.owes_tasks = owed.ready
        if self.state.started is not None:
            self._observer.loaded(self.state, owed)

    def _may_go_on(self, error: Exception) -> bool:
        if isinstance(error, _UNKNOWN):
            return True
        return not isinstance(error, StoreError) and self._home.crashed(self, error)


def _reply(letter: _Letter, answer: Answer | Exception) -> None:
    if letter.replied:
        return
    letter.replied = True
    try:
        letter.reply(answer)
    except Exception:
        # The mailbox goes on: those whose letters come after have done nothing wrong.
        _log.exception("who sent %s failed to take its answer", type(letter.command).__name__)


def head_of(state: State, owed: Owed) -> Head:
    """The row that stands for a state, and for what it owes, where only rows are read."""
    started = state.started_at
    if started is None:
        raise ValueError("an execution that has not started has no head")
    return Head(
        workflow=state.blueprint.workflow,
        blueprint_hash=state.blueprint.hash,
        status=summary(state),
        started_at=started,
        ended_at=state.ended_at,
        ready=owed.ready,
        wake_at=owed.wake_at,
        step_index=step_index(state),
        total_steps=len(state.blueprint.steps),
        step_name=current_step(state),
    )


async def answered(post: Callable[[Reply], None]) -> Answer:
    """Post a command and wait for the reply.

    Raises:
        Exception: what the reply was, when it was no answer.
    """
    answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    post(partial(_settle, answer))
    return await answer


def _settle(answer: asyncio.Future[_T], value: _T | Exception) -> None:
    if answer.done():
        return
    if isinstance(value, Exception):
        answer.set_exception(value)
        answer.exception()  # a caller that has gone away leaves nobody to look at it
    else:
        answer.set_result(value)
