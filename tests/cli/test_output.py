"""What a step gave, as JSON for people and scripts: the same whether it comes from here or from a Core."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

import pytest
from pydantic import BaseModel

from cerebelum_cli.output import json_text, say, say_each, table, value_of, write_out
from cerebelum_cli.printable import PrintableFormatter, printable_lines
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


def test_a_table_is_no_wider_than_a_screen_and_each_row_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    table([("EXECUTION", "STATUS"), ("x" * 100_000, "running"), ("two\nlines\x1b[31m", "failed")])
    head, long, odd = capsys.readouterr().out.splitlines()
    assert (len(long), long[98:]) == (109, "x…  running")
    assert (odd.split(), head.split()) == (["two\\nlines\\x1b[31m", "failed"], ["EXECUTION", "STATUS"])


def test_a_text_in_json_has_nothing_that_a_terminal_would_obey_or_a_stream_refuses() -> None:
    text = "Zoë \x1b[31m \x9b31m \x7f \u2028 \u202e \ud800 😀"
    assert json_text(text) == r'"Zoë \u001b[31m \u009b31m \u007f \u2028 \u202e \ud800 😀"'
    assert json.loads(json_text(text)) == text


def test_what_a_terminal_would_obey_is_spelled_out(capsys: pytest.CaptureFixture[str]) -> None:
    say("order\r\n\x1b[2J of Zoë  running")
    say_each("ValueError: one\n\ttwo\x07")
    assert capsys.readouterr().out == "order\\r\\n\\x1b[2J of Zoë  running\nValueError: one\n\\ttwo\\x07\n"


@pytest.mark.parametrize(("to_a_terminal", "out"), [(False, "one\n\ttwo\x07\n"), (True, "one\n\\ttwo\\x07\n")])
def test_a_file_is_given_a_text_as_it_is_and_a_terminal_nothing_that_it_would_obey(
    to_a_terminal: bool, out: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: to_a_terminal)
    write_out("one\n\ttwo\x07\n")
    assert capsys.readouterr().out == out


def test_an_error_keeps_its_lines_and_nothing_else_that_a_terminal_would_obey() -> None:
    assert printable_lines("two faults:\n\x1b[2J one\r\n\u2028 Zoë") == "two faults:\n\\x1b[2J one\\r\n\\u2028 Zoë"


@pytest.mark.parametrize(
    ("logger", "line"), [("cerebelum_core.node", r"a\nb\x1b[31m"), ("shop.orders", "a\nb\x1b[31m")]
)
def test_what_we_log_is_one_line_and_what_a_step_logs_is_left_as_it_is(logger: str, line: str) -> None:
    record = logging.LogRecord(logger, logging.INFO, "", 0, "%s", ("a\nb\x1b[31m",), None)
    assert PrintableFormatter("%(message)s").format(record) == line
