"""Workflows for tests with real processes. Each step notes in a file that its body ran."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path

from cerebelum import (
    ApprovalRejected,
    ApprovalTimedOut,
    Context,
    WorkflowBuilder,
    sleep,
    step,
    wait_for_approval,
    workflow,
)

NOTES = Path(os.environ.get("E2E_NOTES", "notes"))
"""Where the bodies note that they ran: one line, `step attempt pid`."""
GATE = Path(os.environ.get("E2E_GATE", "gate"))
"""A gated step waits until this file exists."""


def note(context: Context, word: str = "") -> None:
    with NOTES.open("a") as notes:
        notes.write(f"{word or context.step_name} {context.attempt} {os.getpid()}\n")


@step
async def reserve(context: Context, inputs: dict[str, int]) -> dict[str, int]:
    note(context)
    return {"order": inputs["order"], "items": 3}


@step
async def cool_down(context: Context, reserve: dict[str, int]) -> str:
    note(context, "before-sleep")
    await sleep(timedelta(seconds=2))
    note(context, "after-sleep")
    return f"rested for {reserve['order']}"


@step
async def finish(context: Context, cool_down: str, reserve: dict[str, int]) -> str:
    note(context)
    return f"{cool_down}, {reserve['items']} items"


@workflow
def sleeper(wf: WorkflowBuilder) -> None:
    wf.timeline(reserve >> cool_down >> finish)


@step
async def nap_twice(context: Context, reserve: dict[str, int]) -> str:
    note(context, "start")
    await sleep(timedelta(seconds=1))
    note(context, "first")
    await sleep(timedelta(seconds=2))
    note(context, "second")
    return f"napped twice for {reserve['order']}"


@workflow
def double_sleeper(wf: WorkflowBuilder) -> None:
    wf.timeline(reserve >> nap_twice)


@step
async def gated(context: Context, reserve: dict[str, int]) -> str:
    note(context, "gated-begins")
    while not GATE.exists():
        await asyncio.sleep(0.01)
    note(context, "gated-ends")
    return f"gate passed by {reserve['order']}"


@workflow
def gate_keeper(wf: WorkflowBuilder) -> None:
    wf.timeline(reserve >> gated)


@step
async def sign(context: Context, inputs: dict[str, int]) -> str:
    note(context, "asks")
    timeout = timedelta(seconds=inputs["timeout_s"]) if inputs.get("timeout_s") else None
    try:
        decision = await wait_for_approval("signature", data={"order": inputs["order"]}, timeout=timeout)
    except ApprovalRejected as rejected:
        return f"rejected by {rejected.decided_by}: {rejected.reason}"
    except ApprovalTimedOut:
        return "timed out"
    note(context, "answered")
    return f"signed by {decision.decided_by}: {decision.response}"


@step
async def deliver(context: Context, sign: str) -> str:
    note(context)
    return f"delivered, {sign}"


@workflow
def signer(wf: WorkflowBuilder) -> None:
    wf.timeline(sign >> deliver)
