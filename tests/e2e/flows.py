"""Workflows for tests with real processes. Each step notes in a file that its body ran."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import timedelta
from pathlib import Path

from cerebelum import (
    ApprovalRejected,
    ApprovalTimedOut,
    Context,
    Retry,
    WorkflowBuilder,
    sleep,
    step,
    wait_for_approval,
    wait_for_signal,
    workflow,
)

NOTES = Path(os.environ.get("E2E_NOTES", "notes"))
"""Where the bodies note that they ran: one line, `word pid`."""
GATE = Path(os.environ.get("E2E_GATE", "gate"))
"""A gated step waits until this file exists."""

Inputs = dict[str, int]


def note(word: str) -> None:
    with NOTES.open("a") as notes:
        notes.write(f"{word} {os.getpid()}\n")


@step
async def reserve(inputs: Inputs) -> dict[str, int]:
    note("reserve")
    return {"order": inputs["order"], "items": 3}


@step
async def cool_down(reserve: dict[str, int]) -> str:
    note("before-sleep")
    await sleep(timedelta(seconds=1.5))
    note("after-sleep")
    return f"rested for {reserve['order']}"


@step
async def finish(cool_down: str, reserve: dict[str, int]) -> str:
    note("finish")
    return f"{cool_down}, {reserve['items']} items"


@workflow
def sleeper(wf: WorkflowBuilder) -> None:
    wf.timeline(reserve >> cool_down >> finish)


@step
async def nap_twice(reserve: dict[str, int]) -> str:
    note("nap-begins")
    await sleep(timedelta(seconds=0.3))
    note("after-first")
    await sleep(timedelta(seconds=1.5))
    note("after-second")
    return f"napped twice for {reserve['order']}"


@workflow
def double_sleeper(wf: WorkflowBuilder) -> None:
    wf.timeline(reserve >> nap_twice)


@step
async def gated(context: Context[Inputs], reserve: dict[str, int]) -> str:
    note("gated-begins")
    while not GATE.exists():
        await asyncio.sleep(0.01)
    note("gated-ends")
    return f"gate passed by {reserve['order']}"


@step
async def lock_up(gated: str) -> str:
    note("lock-up")
    return f"{gated}, locked"


@workflow
def gate_keeper(wf: WorkflowBuilder) -> None:
    wf.timeline(reserve >> gated >> lock_up)


@step
async def sign(inputs: Inputs) -> str:
    note("asks")
    timeout = timedelta(milliseconds=inputs["timeout_ms"]) if inputs.get("timeout_ms") else None
    try:
        decision = await wait_for_approval("signature", data={"order": inputs["order"]}, timeout=timeout)
    except ApprovalRejected as rejected:
        return f"rejected by {rejected.decided_by}: {rejected.reason}"
    except ApprovalTimedOut:
        return "timed out"
    note("answered")
    return f"signed by {decision.decided_by}: {decision.response}"


@step
async def deliver(sign: str) -> str:
    note("deliver")
    return f"delivered, {sign}"


@workflow
def signer(wf: WorkflowBuilder) -> None:
    wf.timeline(sign >> deliver)


@step
async def settle(inputs: Inputs) -> list[int]:
    note("waits")
    first = await wait_for_signal("paid", int)
    note("first")
    second = await wait_for_signal("paid", int)
    note("second")
    return [first, second]


@workflow
def buyer(wf: WorkflowBuilder) -> None:
    wf.timeline(settle)
    wf.signals("paid")


@step
async def snooze(inputs: Inputs) -> int:
    await sleep(timedelta(days=1))
    return inputs["order"]


@workflow
def day_sleeper(wf: WorkflowBuilder) -> None:
    wf.timeline(snooze)


@step
async def tidy(inputs: Inputs) -> str:
    note("tidy-begins")
    try:
        while not GATE.exists():
            await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        note("tidied")
        raise
    return "never told to stop"


@step
async def after_tidy(tidy: str) -> str:
    note("after-tidy")
    return tidy


@workflow
def tidier(wf: WorkflowBuilder) -> None:
    wf.timeline(tidy >> after_tidy)


@step
def grind(context: Context[Inputs]) -> str:
    note("grind-begins")
    while not GATE.exists():
        time.sleep(0.01)
        context.heartbeat()
    return "never told to stop"


@workflow
def grinder(wf: WorkflowBuilder) -> None:
    wf.timeline(grind)


@step(heartbeat_timeout=timedelta(seconds=1), retry=Retry(max_attempts=2, initial_interval=timedelta(milliseconds=1)))
async def watch(context: Context[Inputs]) -> str:
    note("watch-begins")
    while not GATE.exists():
        await asyncio.sleep(0.01)
        await context.heartbeat()
    return f"watched at try {context.attempt}"


@workflow
def watcher(wf: WorkflowBuilder) -> None:
    wf.timeline(watch)


@step
async def needs_gate(reserve: dict[str, int]) -> str:
    note("needs-gate")
    if not GATE.exists():
        raise OSError("the gate is closed")
    return f"through, with {reserve['order']}"


@workflow
def gate_crasher(wf: WorkflowBuilder) -> None:
    wf.timeline(reserve >> needs_gate)


@step
async def fold(inputs: Inputs) -> int:
    note("fold")
    return inputs["order"]


@step(queue="heavy")
async def press(fold: int) -> str:
    note("press")
    return f"pressed {fold}"


@workflow
def queued(wf: WorkflowBuilder) -> None:
    wf.timeline(fold >> press)
