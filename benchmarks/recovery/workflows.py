"""Five steps that each note in a file that their body ran to its end. The first waits for a gate."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from cerebelum import Context, WorkflowBuilder, step, workflow

_GATE = Path(os.environ.get("RECOVERY_GATE", "gate"))
_NOTES = os.open(os.environ.get("RECOVERY_NOTES", "notes"), os.O_CREAT | os.O_APPEND | os.O_WRONLY)


def note(context: Context[int]) -> int:
    os.write(_NOTES, f"{context.execution_id} {context.step_name}\n".encode())
    return context.inputs


@step
async def first(context: Context[int]) -> int:
    while not _GATE.exists():
        await asyncio.sleep(0.1)
    return note(context)


@step
async def second(context: Context[int], first: int) -> int:
    return note(context)


@step
async def third(context: Context[int], second: int) -> int:
    return note(context)


@step
async def fourth(context: Context[int], third: int) -> int:
    return note(context)


@step
async def fifth(context: Context[int], fourth: int) -> int:
    return note(context)


@workflow
def noted(wf: WorkflowBuilder) -> None:
    wf.timeline(first >> second >> third >> fourth >> fifth)
