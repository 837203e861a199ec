"""Runs every row of docs/meaning.md, in one process and on a Core."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from cerebelum import (
    DistributedExecutor,
    ExecutionResult,
    PendingApproval,
    Retry,
    Signal,
    Worker,
    Workflow,
    WorkflowBuilder,
    Yes,
    back_to,
    end,
    fail,
    mapping,
    memo,
    proceed,
    retry,
    skip_to,
    sleep,
    step,
    wait_for_approval,
    wait_for_signal,
    workflow,
)
from cerebelum.embedded import embedded_core
from cerebelum.step import AnyStep
from cerebelum_proto.events.v1.events_pb import ApprovalRequested, SignalAwaited, StepCompleted
from tests.docs.diagrams import explored, with_diagrams
from tests.docs.exploring import Explorer
from tests.docs.pages import PROJECT, code, rows
from tests.docs.worlds import pairs_of_rules

PAGE = PROJECT / "docs/meaning.md"
Names = Mapping[str, object]
ACTIONS: Names = {
    "back_to": back_to, "end": end, "fail": fail, "mapping": mapping, "proceed": proceed,
    "retry": retry, "skip_to": skip_to, "error": lambda reason: {"error": reason}, "ValueError": ValueError,
}  # fmt: skip


class Light(enum.Enum):
    GREEN = "GREEN"


@dataclass
class Door:
    state: str
    n: int


# -- running ---------------------------------------------------------------------------------

Run = Callable[[Workflow, list[str]], Awaitable[ExecutionResult]]
"""Runs a workflow to its end, and notes each step whose result is recorded."""


async def here(flow: Workflow, recorded: list[str]) -> ExecutionResult:
    async def yes(_: PendingApproval) -> Yes:
        return Yes()

    result = await flow.execute("inputs", approver=yes, signals=[Signal("paid")])
    recorded += flow.code.steps  # without a history, each step once: it has only one result in the end
    return result


async def on_a_core(flow: Workflow, recorded: list[str]) -> ExecutionResult:
    """One worker that runs one step at a time, so that the order is that in which the engine hands out."""
    async with embedded_core("memory://") as core:
        worker = Worker(core, workflows=[flow], concurrency=1)
        working = asyncio.create_task(worker.run())
        handle = await DistributedExecutor(core).submit(flow, "inputs")
        async for event in core.executions.history(handle.execution_id, follow=True):
            if isinstance(event.fact, ApprovalRequested):
                await handle.approve()
            if isinstance(event.fact, SignalAwaited):
                await handle.signal("paid")
            if isinstance(event.fact, StepCompleted):
                recorded.append(event.fact.step)
        result = await handle.result()
        worker.stop()
        await working
    return result


PLACES = pytest.mark.parametrize("run", [here, on_a_core], ids=["here", "on a Core"])


# -- steps -----------------------------------------------------------------------------------

ABSENT = object()


@dataclass
class Stage:
    """The steps of one row, what they give, and what they were called with."""

    gives: Mapping[str, Sequence[object]]
    ran: list[str] = field(default_factory=list)
    calls: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.left = {name: list(values) for name, values in self.gives.items()}

    def act(self, name: str, **arguments: object) -> object:
        self.ran.append(name)
        self.calls[name] = {key: value for key, value in arguments.items() if value is not ABSENT}
        value = self.left[name].pop(0) if self.left.get(name) else name
        if isinstance(value, Exception):
            raise value
        return value

    def steps(self) -> dict[str, AnyStep]:
        made = {name: self._plain(name) for name in "abcdefxyz"}

        @step
        async def take_a(a: object) -> object:
            return self.act("take_a", a=a)

        @step
        async def maybe_b(b: object = ABSENT) -> object:
            return self.act("maybe_b", b=b)

        @step
        async def maybe_x(x: object = ABSENT) -> object:
            return self.act("maybe_x", x=x)

        return {**made, "take_a": take_a, "maybe_b": maybe_b, "maybe_x": maybe_x}

    def _plain(self, name: str) -> AnyStep:
        @step(name=name)
        async def plain() -> object:
            return self.act(name)

        return plain

    def workflow(self, timeline: str, rules: Sequence[str]) -> Workflow:
        names = {**self.steps(), **ACTIONS}

        @workflow(max_visits=3)
        def row(wf: WorkflowBuilder) -> None:
            wf.timeline(eval(timeline, dict(names)))
            for rule in rules:
                eval(f"wf.{rule}", {**names, "wf": wf})

        return row


def staged(gives: str) -> Stage:
    return Stage(eval(code(gives)[0], dict(ACTIONS)) if code(gives) else {})


def test_the_diagrams_are_what_the_engine_does() -> None:
    assert with_diagrams(PAGE.read_text()) == PAGE.read_text(), "draw them anew: python -m tests.docs.diagrams"


def test_no_two_rules_lead_to_what_the_diagrams_do_not_show() -> None:
    shown, found, tried = explored(), Explorer(), 0
    for world in pairs_of_rules():
        tried += found.explore(world, 300)
    assert found.steps <= shown.steps
    assert found.executions <= shown.executions
    assert tried > 30_000


# -- the rows --------------------------------------------------------------------------------


@PLACES
@pytest.mark.parametrize("row", rows(PAGE, "runs"), ids=" ".join)
async def test_it_runs_and_ends_as_the_page_says(row: list[str], run: Run) -> None:
    timeline, rules, gives, runs, ends = row
    on = staged(gives)
    result = await run(on.workflow(code(timeline)[0], code(rules)), [])
    assert " ".join(on.ran) == runs
    if ends.startswith("failed"):
        assert (result.status, result.error.step if result.error else "") == ("failed", ends.removeprefix("failed at "))
    else:
        assert (result.status, result.output) == ("completed", eval(code(ends)[0]))


@PLACES
@pytest.mark.parametrize("row", rows(PAGE, "patterns"), ids=" ".join)
async def test_a_pattern_matches_as_the_page_says(row: list[str], run: Run) -> None:
    pattern, body, matches = row
    scope: dict[str, Any] = {"Light": Light, "Door": Door}
    exec(f"async def a():\n    {code(body)[0]}", scope)
    a = step(scope["a"])

    @workflow
    def asks(wf: WorkflowBuilder) -> None:
        wf.timeline(a)
        wf.diverge(a, {eval(code(pattern)[0], {"mapping": mapping}): fail("it matches")})

    result = await run(asks, [])
    matched = result.error is not None and result.error.message == "it matches"
    assert matched is (matches == "yes")


@PLACES
@pytest.mark.parametrize("row", rows(PAGE, "data"), ids=" ".join)
async def test_a_step_is_called_with_what_the_page_says(row: list[str], run: Run) -> None:
    timeline, rules, gives, name, arguments = row
    on = staged(gives)
    await run(on.workflow(code(timeline)[0], code(rules)), [])
    assert on.calls[name] == eval(code(arguments)[0])


@PLACES
@pytest.mark.parametrize("row", rows(PAGE, "twice"), ids=" ".join)
async def test_lines_run_as_often_as_the_page_says(row: list[str], run: Run) -> None:
    does, first, last, results = row
    lines: list[str] = []
    recorded: list[str] = []

    def once(word: str) -> str:
        assert word not in lines
        lines.append(word)
        return word

    def fail_once() -> None:
        if "failed" not in lines:
            lines.append("failed")
            raise ValueError("the first time")

    scope: dict[str, Any] = {
        "lines": lines, "once": once, "fail_once": fail_once,
        "sleep": sleep, "wait_for_approval": wait_for_approval, "wait_for_signal": wait_for_signal, "memo": memo,
    }  # fmt: skip
    body = "\n    ".join(["lines.append('first')", *code(does)[0].split("; "), "lines.append('last')"])
    exec(f"async def a():\n    {body}", scope)
    policy = Retry(initial_interval=timedelta(milliseconds=1)) if "retry policy" in does else None
    a = step(retry=policy)(scope["a"])

    @workflow
    def counts(wf: WorkflowBuilder) -> None:
        wf.timeline(a)

    assert (await run(counts, recorded)).status == "completed"
    assert [lines.count("first"), lines.count("last"), recorded.count("a")] == [int(first), int(last), int(results)]


Send = Callable[[Workflow, list[Signal]], Awaitable[ExecutionResult]]
"""Runs a workflow to its end, and sends it signals at once."""


async def sent_here(flow: Workflow, signals: list[Signal]) -> ExecutionResult:
    return await flow.execute("inputs", signals=signals)


async def sent_to_a_core(flow: Workflow, signals: list[Signal]) -> ExecutionResult:
    async with embedded_core("memory://") as core:
        handle = await DistributedExecutor(core).submit(flow, "inputs")
        for each in signals:
            await handle.signal(each.name, each.payload, signal_id=each.signal_id)
        worker = Worker(core, workflows=[flow])
        working = asyncio.create_task(worker.run())
        result = await handle.result()
        worker.stop()
        await working
    return result


@pytest.mark.parametrize("send", [sent_here, sent_to_a_core], ids=["here", "on a Core"])
@pytest.mark.parametrize("row", rows(PAGE, "signals"), ids=" ".join)
async def test_a_wait_gets_the_signal_that_the_page_says(row: list[str], send: Send) -> None:
    sent, does, ends = row
    tries: list[str] = []

    def fail_once() -> None:
        tries.append("again")
        if len(tries) == 1:
            raise ValueError("the first time")

    scope: dict[str, Any] = {
        "sleep": sleep, "wait_for_signal": wait_for_signal, "timedelta": timedelta, "fail_once": fail_once,
    }  # fmt: skip
    body = "\n    ".join(code(does)[0].split("; "))
    exec(f"async def a():\n    {body}", scope)
    policy = Retry(initial_interval=timedelta(milliseconds=1)) if "retry policy" in does else None
    a = step(retry=policy)(scope["a"])

    @workflow
    def waits(wf: WorkflowBuilder) -> None:
        wf.timeline(a)

    told = [eval(each) for each in code(sent)]
    signals = [Signal(name, payload, signal_id="".join(signal_id)) for name, payload, *signal_id in told]
    result = await send(waits, signals)
    if ends.startswith("failed"):
        assert result.error is not None
        assert result.error.kind == code(ends)[0]
    else:
        assert (result.status, result.output) == ("completed", eval(code(ends)[0]))
