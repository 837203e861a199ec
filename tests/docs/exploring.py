"""Tries every command in every state that small workflows come to, breadth first, and notes what becomes of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine import (
    ArmTimer,
    Blueprint,
    Phase,
    Rejected,
    State,
    StepState,
    commands,
    decide,
    evolve,
    new,
    pending,
    summary,
)
from cerebelum_engine.policies import MAX_LOSSES
from cerebelum_engine.visit import task_id
from cerebelum_proto.events.v1.events_pb import Event
from cerebelum_proto.types.v1.types_pb import Failure, Payload

BEGINS_AT = 1_700_000_000_000_000_000


@dataclass(frozen=True, kw_only=True)
class World:
    """A workflow, and what may happen to its executions."""

    blueprint: Blueprint
    values: Sequence[str] = ("ok",)
    """What its steps give."""
    fails: bool = True
    """Whether they fail, and run out of time."""
    waits: Sequence[commands.Suspended] = ()
    """What they wait for, one thing in a visit."""
    is_lost: bool = False
    """Whether their workers fall silent."""
    is_steered: bool = False
    """Whether people pause, cancel, retry and redrive it, and a deadline ends it."""
    is_forked: bool = False


@dataclass
class _Standing:
    state: State
    now_ns: int
    history: tuple[Event, ...] = ()


@dataclass
class Explorer:
    """Every transition that some command leads to."""

    steps: set[tuple[str, str, str]] = field(default_factory=set)
    """From a phase to a phase, by an event."""
    executions: set[tuple[str, str, str]] = field(default_factory=set)
    """From a status to a status, by an event."""

    def explore(self, world: World, most: int = 100_000) -> int:
        """Try everything that may happen to an execution, its first `most` states at least; how many it met."""
        todo = deque([_Standing(new(world.blueprint), BEGINS_AT)])
        seen: set[object] = set()
        while todo and len(seen) < most:
            standing = todo.popleft()
            for wishes, at_ns in _wishes(world, standing):
                after = self._carry_out(wishes, standing, at_ns)
                assert _goes_on(after.state), f"nothing is to come of {after.history}"
                if (key := _key(after.state)) not in seen:
                    seen.add(key)
                    todo.append(after)
            if world.is_forked:
                self._fork(world, standing)
        return len(seen)

    def _carry_out(self, wishes: Iterator[commands.Command], standing: _Standing, at_ns: int) -> _Standing:
        state, told = standing.state, list(standing.history)
        for wish in wishes:
            events = decide(state, wish, Timestamp.from_ns(at_ns))
            for event in () if isinstance(events, Rejected) else events:
                before, state = state, evolve(state, event)
                self._note(before, type(event.fact).__name__, state)
                told.append(event)
        return _Standing(state, at_ns, tuple(told))

    def _fork(self, world: World, standing: _Standing) -> None:
        for step in world.blueprint.steps:
            state = new(world.blueprint)
            wish = commands.Fork(execution_id="y", origin="x", history=standing.history, step=step)
            events = decide(state, wish, Timestamp.from_ns(standing.now_ns))
            for event in () if isinstance(events, Rejected) else events:
                before, state = state, evolve(state, event)
                self._note(before, type(event.fact).__name__, state)

    def _note(self, before: State, fact: str, after: State) -> None:
        for name, step in after.steps.items():
            former = before.steps.get(name)
            phase = former.phase.value if former is not None else "[*]"
            if former is None or former.phase is not step.phase or _task(former) != _task(step):
                self.steps.add((phase, step.phase.value, fact))
        told = [summary(state).name.removeprefix("EXECUTION_").lower() for state in (before, after)]
        if before.started is None:
            told[0] = "[*]"
        if told[0] != told[1]:
            self.executions.add((told[0], told[1], fact))


def _task(visit: StepState) -> tuple[int, int, int]:
    """Which task a visit is at."""
    return visit.visit, visit.attempt, len(visit.markers)


def _wishes(world: World, standing: _Standing) -> Iterator[tuple[Iterator[commands.Command], int]]:
    """What may happen, each with the time at which it does; some of it goes on for several commands."""
    state, now_ns = standing.state, standing.now_ns
    for wish in _wished(world, state):
        yield iter([wish]), now_ns
    for timer in (effect for effect in pending(state) if isinstance(effect, ArmTimer)):
        yield iter([commands.FireTimers()]), max(now_ns, timer.due_at.to_ns())
    for name in _ready(state) if world.is_lost else ():
        yield _losses(state, name), now_ns


def _losses(state: State, name: str) -> Iterator[commands.Command]:
    """One worker after the other falls silent while it runs a step."""
    visit = state.steps[name]
    for losses in range(visit.losses, visit.losses + MAX_LOSSES):
        visit = visit.copied()
        visit.losses = losses
        yield commands.LoseTask(task_id=task_id("x", name, visit), worker_id="w", reason="silent")


def _wished(world: World, state: State) -> Iterator[commands.Command]:
    yield commands.StartExecution(
        execution_id="x", workflow="w", inputs=payload("in"), timeout_ms=10**9 if world.is_steered else 0
    )
    ready = _ready(state)
    for name in ready:
        wanted = task_id("x", name, state.steps[name])
        for outcome in _outcomes(world, state.steps[name]):
            yield commands.RecordResult(task_id=wanted, worker_id="w", outcome=outcome)
        if world.is_lost:
            yield commands.LoseTask(task_id=wanted, worker_id="w", reason="silent")
        if world.fails:
            yield commands.TimeOutTask(task_id=wanted, limit=commands.Limit.SCHEDULE_TO_START)
    for name in state.open if world.waits else ():
        yield commands.Approve(step=name)
        yield commands.Reject(step=name)
    if world.waits:
        yield commands.SendSignal(signal_id="1", name="paid")
    if world.is_steered:
        for held in (frozenset(task_id("x", name, state.steps[name]) for name in ready), frozenset[str]()):
            yield commands.Cancel(in_hand=held)
        yield from (commands.Redrive(), commands.Retry(), commands.Pause(), commands.Resume(), commands.Terminate())


def _outcomes(world: World, visit: StepState) -> Iterator[commands.Outcome]:
    for value in world.values:
        yield commands.Completed(output=payload(value))
    if world.fails:
        yield commands.Failed(failure=Failure(kind="ValueError"))
    if not visit.markers:
        yield from world.waits


def _goes_on(state: State) -> bool:
    """Whether an execution has ended, waits for something that may come, or for somebody who redrives it."""
    dead = any(state.steps[name].phase is Phase.DEAD_LETTERED for name in state.open)
    return state.started is None or not state.running or dead or bool(pending(state))


def _ready(state: State) -> list[str]:
    return [name for name in state.open if state.steps[name].phase is Phase.READY]


def _key(state: State) -> object:
    """What tells states apart that have something else before them."""
    steps = [
        (
            name,
            step.phase,
            step.failures,
            min(step.losses - step.forgiven, 1),
            len(step.markers),
            step.visit > 1,
            step.path,
            step.taken,
            step.passed,
            step.route and (step.route.onward, step.route.target, step.route.path and step.route.path.id),
        )
        for name, step in state.steps.items()
    ]
    return (state.status, state.paused is None, state.cancelling is None, len(state.signals), tuple(steps))


def payload(text: str) -> Payload:
    """A text as it travels."""
    return Payload(encoding="json", data=f'"{text}"'.encode())
