"""What travels between steps comes back as the annotation says, wherever the workflow runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import BaseModel

from cerebelum import Converter, WorkflowBuilder, step, workflow
from cerebelum_proto.worker.worker_service_pb import Task


class Colour(Enum):
    RED = "red"


class Money:
    def __init__(self, amount: Decimal) -> None:
        self.amount = amount

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and self.amount == other.amount

    __hash__ = None  # type: ignore[assignment]  # it only needs to be equal


class Address(BaseModel):
    street: str
    since: datetime


@dataclass
class Parcel:
    number: int
    label: bytes
    id: UUID
    colour: Colour
    to: Address
    price: Money
    tasks: list[Task]


PARCEL = Parcel(
    2**64 + 1,
    b"\x00\xff",
    UUID(int=7),
    Colour.RED,
    Address(street="Elm Street 1", since=datetime(2026, 1, 2, 3, 4, 5, 6, UTC)),
    Money(Decimal("0.10")),
    [Task(task_id="t", attempt=2)],
)


@step
async def pack(inputs: Parcel) -> Parcel:
    assert inputs == PARCEL
    return inputs


@step
def stamp(pack: Parcel) -> Parcel:
    assert pack == PARCEL
    return pack


@workflow(converters=[Converter("money", Money, lambda it: it.amount, Money)])
def shipping(wf: WorkflowBuilder) -> None:
    wf.timeline(pack >> stamp)


@pytest.mark.parametrize("durable", [False, True])
async def test_every_kind_of_value_travels_from_the_inputs_to_the_output(tmp_path: Path, durable: bool) -> None:
    result = await shipping.execute(PARCEL, store=f"sqlite:///{tmp_path}/core.db" if durable else None)
    assert result.unwrap() == PARCEL
