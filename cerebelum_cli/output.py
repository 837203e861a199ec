"""What commands print: JSON for scripts, short lines for people."""

from __future__ import annotations

import base64
import json
import re
import sys
from contextlib import suppress
from datetime import datetime
from math import isfinite
from typing import cast

import click

from cerebelum_cli.printable import printable, printable_lines
from cerebelum_client import PayloadError, from_payload, to_payload
from cerebelum_codegen.runtime import Message, Timestamp
from cerebelum_proto.types.v1.types_pb import Payload

_WIDTH = 60
_WIDEST = 100
_RAW = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What JSON need not spell out, and a terminal obeys or no stream takes."""


def print_json(value: object) -> None:
    """One JSON value on one line."""
    click.echo(json_text(value))


def json_text(value: object) -> str:
    """One JSON value on one line; what JSON does not have as its nearest there, or as its text."""
    return _RAW.sub(lambda found: f"\\u{ord(found[0]):04x}", _json(value))


def _json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=_shown, allow_nan=False)
    except (TypeError, ValueError):  # a key that is no text, or a number that is none
        return json.dumps(_spelled_out(value), ensure_ascii=False)


def _shown(value: object) -> object:
    """A message, a dataclass or a model as an object, a set as a list, bytes as in messages, all else as its text."""
    match value:
        case Message():
            return value.to_dict()
        case set() | frozenset():
            return list(value)
        case bytes() | bytearray():
            return base64.b64encode(value).decode()
        case _:
            with suppress(PayloadError):
                plain = from_payload(to_payload(value))
                return plain if type(plain) is not type(value) else str(value)
            return str(value)


def _spelled_out(value: object) -> object:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if isfinite(value) else str(value)
        case dict():
            return {key if isinstance(key, str) else json_text(key): _spelled_out(item) for key, item in value.items()}
        case list() | tuple():
            return [_spelled_out(item) for item in value]
        case _:
            return _spelled_out(_shown(value))


def value_of(payload: Payload | None) -> object:
    """A payload as JSON can show it; what cannot be read here, as it travels."""
    if payload is None or not payload.encoding:
        return None
    try:
        return from_payload(payload)
    except PayloadError:
        return _as_it_travels(payload)


def _as_it_travels(payload: Payload) -> object:
    if payload.encoding.startswith("json"):
        with suppress(ValueError, RecursionError):
            return cast("object", json.loads(payload.data))
    return {"encoding": payload.encoding, "base64": base64.b64encode(payload.data).decode()}


def one_line(value: object) -> str:
    """A JSON value on one line, shortened."""
    return _cut(json_text(value), _WIDTH)


def time_text(instant: Timestamp | None) -> str | None:
    """An instant as ISO 8601 in UTC, to the millisecond."""
    return None if instant is None else instant.to_datetime().isoformat(timespec="milliseconds")


def clock_text(instant: Timestamp | datetime | None) -> str:
    """An instant in UTC for people, to the second."""
    found = instant.to_datetime() if isinstance(instant, Timestamp) else instant
    return "" if found is None else found.strftime("%Y-%m-%d %H:%M:%S")


def say(text: str, *, err: bool = False) -> None:
    """One line for people. What a terminal would obey, such as a line break in an id, is spelled out."""
    click.echo(printable(text), err=err)


def say_each(text: str) -> None:
    """The lines of a text for people."""
    for line in text.splitlines():
        say(line)


def write_out(text: str) -> None:
    """A text for a file, or for a terminal: there, what it would obey is spelled out."""
    click.echo(printable_lines(text) if sys.stdout.isatty() else text, nl=False)


def table(rows: list[tuple[str, ...]]) -> None:
    """Aligned columns, of which none is wider than a screen."""
    shown = [[_cut(printable(cell), _WIDEST) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]))]
    for row in shown:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
