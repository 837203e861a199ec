"""What a condition in CEL sees of messages."""

from __future__ import annotations

import pytest
from shop.v1 import orders_pb as pb
from shop.v1 import refunds_pb

from cerebelum import Context
from cerebelum.conditions import TextCondition, plain
from cerebelum_codegen.runtime import Duration, Timestamp
from cerebelum_engine.conditions import ConditionError
from cerebelum_proto.events.v1 import events_pb
from cerebelum_proto.types.v1.types_pb import Payload

ORDER = pb.Order(order_id=2**60, kind=pb.Kind.EXPRESS, skus=["a", "b"], placed_at=Timestamp(seconds=3))


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("a.order_id == 1152921504606846976", True),
        ("a.kind == 'EXPRESS'", True),
        ("a.skus.exists(sku, sku == 'b') && size(a.skus) == 2", True),
        ("a.placed_at < '1971'", True),
        ("has(a.placed_at)", True),
        ("'x' in a.skus", False),
    ],
)
def test_it_sees_fields_by_their_names_in_the_contract(text: str, holds: bool) -> None:
    assert TextCondition("a", text)(ORDER) is holds


def test_what_is_not_set_is_not_there() -> None:
    assert plain(pb.Order()) == {"order_id": 0, "kind": "KIND_UNSPECIFIED", "skus": []}
    assert not TextCondition("a", "has(a.order)")(refunds_pb.RefundRequest())
    with pytest.raises(ConditionError):
        TextCondition("a", "a.order.id == ''")(refunds_pb.RefundRequest())


def test_it_sees_what_the_step_took_and_the_inputs_too() -> None:
    condition = TextCondition("a", "a > b && inputs.order_id > 0")
    assert condition.holds(3, {"b": 2, "context": Context(inputs=ORDER)})
    assert condition.holds(3, {"b": 2, "inputs": ORDER})


def test_messages_are_plain_all_the_way_down() -> None:
    event = events_pb.Event(
        version=3,
        recorded_at=Timestamp(seconds=0, nanos=5_000),
        fact=events_pb.StepCompleted(step="a", output=Payload(encoding="bytes", data=b"\x00")),
    )
    assert plain(event) == {
        "execution_id": "",
        "version": 3,
        "recorded_at": "1970-01-01T00:00:00.000005+00:00",
        "step_completed": {
            "step": "a",
            "task_id": "",
            "worker_id": "",
            "output": {"encoding": "bytes", "data": "AA=="},
        },
    }
    assert plain([Duration(seconds=1, nanos=500_000_000), {1: pb.Kind(99)}]) == [1.5, {"1": 99}]
