"""What a step gave, as JSON for people and scripts: the same whether it comes from here or from a Core."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

import pytest
from pydantic import BaseModel

from cerebelum_cli.output import json_text, value_of
from cerebelum_client import to_payload


class Colour(Enum):
    RED = 1


class Model(BaseModel):
    price: Decimal


@dataclass
class Order:
    id: int
    model: Model


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (Order(3, Model(price=Decimal("1.50"))), {"id": 3, "model": {"price": "1.50"}}),
        ([Model(price=Decimal(2))], [{"price": "2"}]),
        ({"sets": {1}, "frozen": frozenset("a")}, {"sets": [1], "frozen": ["a"]}),
        (b"\x00\xff", "AP8="),
        (Colour.RED, 1),
        ((1, Decimal("0.1")), [1, "0.1"]),
        ({(1, 2): "pair", 3: {4}}, {"[1, 2]": "pair", "3": [4]}),
        ([float("nan"), {1: Order(4, Model(price=Decimal(0)))}], ["nan", {"1": {"id": 4, "model": {"price": "0"}}}]),
    ],
)
def test_what_json_does_not_have_is_shown_as_its_nearest(value: object, told: object) -> None:
    assert json.loads(json_text(value)) == told
    assert json.loads(json_text(value_of(to_payload(value)))) == told
