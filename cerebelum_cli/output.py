"""What commands print: JSON for scripts, short lines for people."""

from __future__ import annotations

import base64
import json

import click

from cerebelum_client import PayloadError, from_payload
from cerebelum_codegen.runtime import Message, Timestamp
from cerebelum_proto.types.v1.types_pb import Payload

_WIDTH = 60


def print_json(value: object) -> None:
    """One JSON value on one line."""
    click.echo(json.dumps(value, ensure_ascii=False, default=_shown))


def _shown(value: object) -> object:
    """A message as its JSON; anything else that is none as its text."""
    return value.to_dict() if isinstance(value, Message) else str(value)


def value_of(payload: Payload | None) -> object:
    """A payload as JSON can show it; what is no JSON, by its encoding and bytes."""
    if payload is None or not payload.encoding:
        return None
    try:
        return from_payload(payload)
    except PayloadError:
        return {"encoding": payload.encoding, "base64": base64.b64encode(payload.data).decode()}


def one_line(value: object) -> str:
    """A JSON value on one line, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def time_text(instant: Timestamp | None) -> str | None:
    """An instant as ISO 8601 in UTC, to the millisecond."""
    return None if instant is None else instant.to_datetime().isoformat(timespec="milliseconds")


def table(rows: list[tuple[str, ...]]) -> None:
    """Aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
