"""One execution as a process: a mailbox, one command after another, and nothing acknowledged before it is durable."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from cerebelum_core.clock import Clock
from cerebelum_core.errors import StoreError, StoreUnavailable, VersionConflict
from cerebelum_core.store import Append, EventStore, Head
from cerebelum_engine import (
    Command,
    Rejected,
    State,
    current_step,
    decide,
    evolve,
    next_timer,
    owed_tasks,
    step_index,
    summary,
)
from cerebelum_proto.events.v1.events_pb import Event

_RELOADS = 3
"""How often a batch of commands is decided anew on a history that somebody else moved on."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A command that was carried out: its events are durable. None of them: it had been carried out before."""

    events: Sequence[Event]
    state: State


Answer: TypeAlias = Accepted | Rejected


class Observer(Protocol):
    """Whoever acts on what became durable."""

    def committed(self, state: State, events: Sequence[Event]) -> None:
        """New events are durable and led to this state."""


@dataclass(frozen=True, slots=True)
class _Letter:
    command: Command
    answer: asyncio.Future[Answer]


class Execution:
    """The mailbox of one execution. It has a task only while it has letters."""

    def __init__(
        self,
        state: State,
        *,
        store: EventStore,
        clock: Clock,
        observer: Observer,
        reload: Callable[[], Awaitable[State]],
        on_idle: Callable[[Execution], None],
        on_crash: Callable[[Exception], bool],
    ) -> None:
        self.state = state
        self._store = store
        self._clock = clock
        self._observer = observer
        self._reload = reload
        self._on_idle = on_idle
        self._on_crash = on_crash
        self._letters: list[_Letter] = []
        self._draining: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Whether nobody waits for an answer."""
        return self._draining is None and not self._letters

    async def tell(self, command: Command) -> Answer:
        """Carry out a command after those that came before. A caller that goes away does not stop it."""
        letter = _Letter(command, asyncio.get_running_loop().create_future())
        self._letters.append(letter)
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())
        return await asyncio.shield(letter.answer)

    async def settled(self) -> None:
        """Return when every letter that is here now is answered."""
        while self._draining is not None:
            await asyncio.wait([self._draining])

    async def _drain(self) -> None:
        try:
            while self._letters:
                letters, self._letters = self._letters, []
                await self._carry_out(letters)
        finally:
            self._draining = None
            self._on_idle(self)

    async def _carry_out(self, letters: list[_Letter]) -> None:
        try:
            answers = await self._decided(letters)
        except Exception as error:
            for letter in letters:
                _fail(letter, error)
            return
        for letter, answer in zip(letters, answers, strict=True):
            if not letter.answer.done():
                letter.answer.set_result(answer)

    async def _decided(self, letters: list[_Letter]) -> list[Answer]:
        """Decide all letters, and make what they lead to durable in one append."""
        for last in (False,) * _RELOADS + (True,):
            try:
                return await self._once(letters)
            except (VersionConflict, StoreUnavailable):
                # Whether the append happened is unknown: only reading tells. The engine knows what it has recorded.
                if last:
                    raise
            except StoreError:
                raise
            except Exception as error:
                if not self._on_crash(error):
                    raise
            self.state = await self._reload()
        raise AssertionError("unreachable")

    async def _once(self, letters: list[_Letter]) -> list[Answer]:
        state, events, answers = self.state, list[Event](), list[Answer]()
        for letter in letters:
            decided = decide(state, letter.command, self._clock.now())
            if isinstance(decided, Rejected):
                answers.append(decided)
                continue
            for event in decided:
                state = evolve(state, event)
            events += decided
            answers.append(Accepted(decided, state))
        if events:
            await self._store.append(
                Append(
                    execution_id=state.execution_id,
                    expected_version=self.state.version,
                    events=events,
                    head=head_of(state),
                )
            )
            self.state = state
            self._observer.committed(state, events)
        return answers


def head_of(state: State) -> Head:
    """The row that stands for a state where only rows are read."""
    started = state.started_at
    if started is None:
        raise ValueError("an execution that has not started has no head")
    return Head(
        workflow=state.blueprint.workflow,
        blueprint_hash=state.blueprint.hash,
        status=summary(state),
        started_at=started,
        ended_at=state.ended_at,
        ready=bool(owed_tasks(state)),
        wake_at=next_timer(state),
        step_index=step_index(state),
        total_steps=len(state.blueprint.steps),
        step_name=current_step(state),
    )


def _fail(letter: _Letter, error: Exception) -> None:
    if not letter.answer.done():
        letter.answer.set_exception(error)
        letter.answer.exception()  # a caller that has gone away leaves nobody to look at it
