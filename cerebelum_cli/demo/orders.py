"""The demo's workflow. Each run of a step's body is noted in a file, so that the demo can count them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cerebelum import Context, WorkflowBuilder, sleep, step, wait_for_approval, workflow

NOTES = "CEREBELUM_DEMO_NOTES"
"""Names the file with the notes."""
COOLING_OFF = timedelta(seconds=8)


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a customer wants."""

    number: int
    item: str
    amount_cents: int


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What the customer paid."""

    order: int
    amount_cents: int


def _note(context: Context[Order], what: str) -> None:
    if NOTES in os.environ:
        with Path(os.environ[NOTES]).open("a") as notes:
            notes.write(f"{context.step_name} {what}\n")


@step
async def validate(context: Context[Order], inputs: Order) -> Order:
    """Look the order over."""
    _note(context, "ran")
    return inputs


@step
async def charge(context: Context[Order], validate: Order) -> Receipt:
    """Take the money; beside `reserve`."""
    _note(context, "ran")
    return Receipt(order=validate.number, amount_cents=validate.amount_cents)


@step
async def reserve(context: Context[Order], validate: Order) -> str:
    """Put the goods aside; beside `charge`."""
    _note(context, "ran")
    return f"shelf 7: {validate.item}"


@step
async def cooling_off(context: Context[Order], charge: Receipt) -> str:
    """Give the customer time to think again."""
    _note(context, "ran up to its sleep")
    await sleep(COOLING_OFF)
    _note(context, "went on after its sleep")
    return f"order {charge.order} stands"


@step
async def sign_off(context: Context[Order], charge: Receipt) -> str:
    """Ask a person whether the goods may leave."""
    _note(context, "ran up to its question")
    decision = await wait_for_approval("dispatch", data={"amount_cents": charge.amount_cents})
    _note(context, "went on after its answer")
    return f"{decision.decided_by}: {decision.response}"


@step
async def ship(context: Context[Order], reserve: str, sign_off: str) -> dict[str, str]:
    """Send the goods."""
    _note(context, "ran")
    return {"shipped": reserve, "signed_off": sign_off}


@workflow
def order(wf: WorkflowBuilder) -> None:
    """From cart to doorstep."""
    wf.timeline(validate >> [charge, reserve] >> cooling_off >> sign_off >> ship)


BODIES = {
    "validate ran": 1,
    "charge ran": 1,
    "reserve ran": 1,
    "cooling_off ran up to its sleep": 2,
    "cooling_off went on after its sleep": 1,
    "sign_off ran up to its question": 2,
    "sign_off went on after its answer": 1,
    "ship ran": 1,
}
"""What must have run, and how often. A step that waits runs up to its wait once more when it goes on."""
OUTPUT = {"shipped": "shelf 7: a lamp", "signed_off": "the demo: leave it at the door"}
