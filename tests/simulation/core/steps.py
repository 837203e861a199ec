"""What the steps of a simulated workflow do: drawn from the seed once, so that each run of a step does the same."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from cerebelum import (
    ApprovalRejected,
    ApprovalTimedOut,
    Context,
    NonRetryable,
    SignalTimedOut,
    memo,
    sleep,
    wait_for_approval,
    wait_for_signal,
)
from cerebelum.code import Code
from cerebelum.rules import Predicate
from cerebelum.step import AnyStep
from cerebelum.workflow import Workflow
from cerebelum_engine import Blueprint, StepSpec
from cerebelum_proto.worker import worker_service_pb as pb
from tests.simulation.engine.auditor import Broken
from tests.simulation.engine.signals import is_signalled

_SLEEPS_S = (0.0, 0.001, 2.0, 40.0, 86_400.0)
_TIMEOUTS_S = (None, None, 20.0, 3_600.0)


@dataclass(frozen=True)
class Wait:
    """One sleep, or one question to a person, with its seconds."""

    asks: bool
    seconds: float | None


@dataclass(frozen=True)
class Plan:
    waits: tuple[Wait, ...]
    work_s: float
    failing_tries: int
    ending: str
    catches: bool
    keeps: bool
    signals_s: tuple[float | None, ...]
    """How long it waits for each of its signals, after its other waits."""

    @classmethod
    def of(cls, seed: int, execution_id: str, step: str) -> Plan:
        dice = random.Random(f"{seed}/{execution_id}/{step}")
        return cls(
            waits=tuple(_wait(dice) for _ in range(dice.choice((0, 0, 0, 1, 1, 2)))),
            work_s=dice.choice((0.0, 0.0, 0.1, 1.0, 5.0, 70.0)),
            failing_tries=dice.choice((0, 0, 0, 1, 2)),
            ending=dice.choice(("value",) * 12 + ("decision", "final")),
            catches=dice.random() < 0.5,
            keeps=dice.random() < 0.3,
            signals_s=_signals(random.Random(f"{seed}/{execution_id}/{step}/signals")) if is_signalled(seed) else (),
        )

    @property
    def mended(self) -> Plan:
        """The same without what makes it fail."""
        return replace(self, failing_tries=0, ending="value", catches=True)


def origin_of(execution_id: str) -> str:
    """Whose inputs an execution has: its own, or those of the one that it is a fork of."""
    return execution_id.partition("f")[0]


def _wait(dice: random.Random) -> Wait:
    asks = dice.random() < 0.4
    return Wait(asks, dice.choice(_TIMEOUTS_S if asks else _SLEEPS_S))


def _signals(dice: random.Random) -> tuple[float | None, ...]:
    return tuple(dice.choice(_TIMEOUTS_S) for _ in range(dice.choice((0, 0, 1, 2))))


@dataclass
class Desk:
    """Where one worker works: as many steps at once as there is room."""

    room: int
    broke: Callable[[BaseException], None]
    mended: Set[str]
    """Executions whose steps do not fail any more."""
    running: int = 0

    @contextmanager
    def occupied(self) -> Iterator[None]:
        self.running += 1
        self.require(self.running <= self.room, f"{self.running} steps run where there is room for {self.room}")
        try:
            yield
        finally:
            self.running -= 1

    def require(self, holds: bool, message: str) -> None:
        # What a step raises is its failure, and no more: the world must be told.
        if not holds:
            self.broke(Broken(message))


def as_workflow(blueprint: pb.Blueprint, compiled: Blueprint, seed: int, desk: Desk) -> Workflow:
    """A blueprint with code: what `@workflow` makes of decorated functions."""
    return Workflow(
        name=blueprint.workflow_module,
        code=Code(
            steps={name: _step(spec, seed, desk) for name, spec in compiled.steps.items()},
            predicates={
                name: tuple(_predicate(f"{seed}/{name}/{at}") for at, case in enumerate(rules.branch) if case.by_worker)
                for name, rules in compiled.rules.items()
            },
        ),
        blueprint=blueprint,
        compiled=compiled,
    )


def _predicate(seed: str) -> Predicate:
    answer = random.Random(seed).random() < 0.5
    return lambda value: answer and isinstance(value, list)


def _step(spec: StepSpec, seed: int, desk: Desk) -> AnyStep:
    name, depends_on = spec.name, spec.depends_on

    async def act(context: Context[object], inputs: object, **results: object) -> object:
        there = set(depends_on) - spec.optional <= results.keys() <= set(depends_on)
        true = all(_author(value) == each for each, value in results.items()) and inputs == origin_of(
            context.execution_id
        )
        desk.require(there and true, f"{name} of {context.execution_id} was called with {inputs!r} and {results}")
        with desk.occupied():
            plan = Plan.of(seed, context.execution_id, name)
            return await _act(plan.mended if context.execution_id in desk.mended else plan, name, context.attempt)

    parameters = {
        each: inspect.Parameter(each, inspect.Parameter.KEYWORD_ONLY) for each in ("context", "inputs", *depends_on)
    }
    return AnyStep(name=name, function=act, parameters=parameters)


def _author(value: object) -> object:
    return value[0] if isinstance(value, list) else value


async def _act(plan: Plan, name: str, attempt: int) -> object:
    if plan.keeps:
        first = await memo("the first try", lambda: attempt)
        if first > attempt:
            raise NonRetryable(f"try {attempt} of {name} finds what try {first} has kept")
    answers = [await _waited(wait, plan.catches) for wait in plan.waits]
    answers += [await _signalled(timeout_s) for timeout_s in plan.signals_s]
    await asyncio.sleep(plan.work_s)
    if attempt <= plan.failing_tries:
        raise ValueError(f"try {attempt} of {name} fails")
    if plan.ending == "final":
        raise NonRetryable(f"{name} cannot be done")
    return {"error": f"{name} says no"} if plan.ending == "decision" else {"ok": [name, attempt, *answers]}


async def _waited(wait: Wait, catches: bool) -> object:
    if not wait.asks:
        await sleep(timedelta(seconds=wait.seconds or 0))
        return "slept"
    timeout = None if wait.seconds is None else timedelta(seconds=wait.seconds)
    try:
        return (await wait_for_approval("manual", timeout=timeout)).decided_by
    except (ApprovalRejected, ApprovalTimedOut) as error:
        if not catches:
            raise
        return type(error).__name__


async def _signalled(timeout_s: float | None) -> object:
    try:
        return await wait_for_signal("paid", timeout=None if timeout_s is None else timedelta(seconds=timeout_s))
    except SignalTimedOut as error:
        return type(error).__name__


def as_deployed(blueprint: pb.Blueprint) -> pb.Blueprint:
    """The same workflow as a deployed client says it: one step after another, no stages and no policies."""
    definition = blueprint.definition or pb.WorkflowDefinition()
    steps: list[pb.Step] = []
    for step in definition.timeline:
        earlier = {each.name for each in steps}
        steps.append(pb.Step(name=step.name, depends_on=[name for name in step.depends_on if name in earlier]))
    return pb.Blueprint(workflow_module=blueprint.workflow_module, definition=pb.WorkflowDefinition(timeline=steps))
