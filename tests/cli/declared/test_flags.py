"""The fields of a message as flags: what a person may write, and what is refused."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner, Result
from shop.v1 import orders_pb, refunds_pb

from cerebelum_cli.declared.flags import MessageFlags, kebab
from cerebelum_codegen.runtime import Duration, Message, Timestamp

FULL = refunds_pb.RefundKind.REFUND_KIND_FULL


def read(kind: type[Message], *arguments: str) -> tuple[Result, Message | None]:
    """What a command with the flags of a message makes of its arguments."""
    made: list[Message] = []
    flags = MessageFlags(kind, "--input", {"--core"})

    def keep(**values: object) -> None:
        made.append(flags.message(values))

    command = click.Command("try", callback=keep, params=list(flags.options()))
    return CliRunner().invoke(command, arguments), made[0] if made else None


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("--input", "{}"), refunds_pb.RefundRequest()),
        (("--order", '{"id": "7"}'), refunds_pb.RefundRequest(order=refunds_pb.RefundRequest_Order(id="7"))),
        (("--kind", "refund_kind_full"), refunds_pb.RefundRequest(kind=FULL)),
        (("--urgent",), refunds_pb.RefundRequest(urgent=True)),
        (("--no-urgent",), refunds_pb.RefundRequest(urgent=False)),
        (("--within", "90s"), refunds_pb.RefundRequest(within=Duration(seconds=90))),
        (("--pieces", '{"cup": 2}'), refunds_pb.RefundRequest(pieces={"cup": 2})),
        (("--parts", '{"lid": false}'), refunds_pb.RefundRequest(parts={"lid": False})),
        (("--waits", '{"1": "2s"}'), refunds_pb.RefundRequest(waits={1: Duration(seconds=2)})),
        (("--note", "12"), refunds_pb.RefundRequest(note="12")),
        (("--earlier-kinds", "REFUND_KIND_FULL") * 2, refunds_pb.RefundRequest(earlierKinds=[FULL, FULL])),
        (("--field-core", "hard"), refunds_pb.RefundRequest(core="hard")),
        (("--input", '{"core": "soft", "note": "n"}'), refunds_pb.RefundRequest(core="soft", note="n")),
    ],
)
def test_each_kind_of_field_is_written_as_people_write_it(
    arguments: tuple[str, ...], meant: refunds_pb.RefundRequest
) -> None:
    result, made = read(refunds_pb.RefundRequest, *arguments)
    assert made == meant, result.output


def test_a_number_a_list_and_an_instant() -> None:
    arguments = ("--order-id", "7", "--skus", "book", "--skus", "pen", "--placed-at", "1970-01-01T00:00:02Z")
    _, made = read(orders_pb.Order, *arguments)
    assert made == orders_pb.Order(order_id=7, skus=["book", "pen"], placed_at=Timestamp(seconds=2))


def test_a_flag_replaces_what_the_whole_message_says_of_its_field_by_either_name() -> None:
    for name in ("order_id", "orderId"):
        _, made = read(orders_pb.Order, "--input", f'{{"{name}": 1, "skus": ["pen"]}}', "--order-id", "7")
        assert made == orders_pb.Order(order_id=7, skus=["pen"])


@pytest.mark.parametrize(
    ("kind", "arguments", "told"),
    [
        (orders_pb.Order, ("--order-id", "x"), "'--order-id': shop.v1.Order.order_id: 'x' is no integer"),
        (orders_pb.Order, ("--order-id", str(1 << 63)), "out of range for int64"),
        (orders_pb.Order, ("--placed-at", "now"), "'--placed-at': shop.v1.Order.placed_at: 'now' is no instant"),
        (orders_pb.Order, ("--kind", "SLOW"), "'--kind': 'SLOW' is not one of"),
        (orders_pb.Order, (), "nothing is given of shop.v1.Order: give its flags, or --input '{}' for an empty one"),
        (orders_pb.Order, ("--input", "null"), "'--input': give a JSON object"),
        (orders_pb.Order, ("--input", "[]"), "'--input': give a JSON object"),
        (orders_pb.Order, ("--input", '{"colour": "red"}'), "shop.v1.Order has no field 'colour'"),
        (refunds_pb.RefundRequest, ("--order", "7"), "'--order': shop.v1.RefundRequest.Order: 7 is no object"),
        (refunds_pb.RefundRequest, ("--order", "{id"), "'--order': '{id' is no JSON"),
        (refunds_pb.RefundRequest, ("--iban", "DE", "--other-order", "{}"), "payee: two of its members are there"),
    ],
)
def test_what_is_no_such_value_is_refused_under_its_flag(
    kind: type[Message], arguments: tuple[str, ...], told: str
) -> None:
    result, made = read(kind, *arguments)
    assert (made, result.exit_code) == (None, 2)
    assert told in result.output


def test_the_help_tells_types_and_names() -> None:
    shown = read(refunds_pb.RefundRequest, "--help")[0].output
    for line in (
        "--order JSON",
        "--kind REFUND_KIND_UNSPECIFIED|REFUND_KIND_FULL",
        "--urgent / --no-urgent",
        "bool by string; or @FILE, or @- for standard input.",
    ):
        assert line in " ".join(shown.split())


@pytest.mark.parametrize("name", ["order_id", "orderId", "OrderId"])
def test_names_are_written_in_kebab_case(name: str) -> None:
    assert kebab(name) == "order-id"
