"""Values that JSON writes as text: instants, spans, field masks, bytes, and numbers in quotes."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Final

from cerebelum_codegen.runtime.wkt import Duration, Timestamp, write_duration, write_timestamp

_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
_INSTANT: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(Z|([+-])([0-9]{2}):([0-9]{2}))"
)
_SPAN: Final = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,9}))?s")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*")
_PATH: Final = re.compile(r"[A-Za-z0-9.]*")
_LARGEST_EXPONENT: Final = 20
"""Beyond it no integer fits, and spelling one out would fill the memory."""


def instant_text(instant: Timestamp) -> str:
    """`1970-01-01T00:00:10.500Z`, with none, three, six or nine digits behind the second."""
    write_timestamp(instant)
    whole = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=instant.seconds)
    return f"{whole.strftime('%Y').rjust(4, '0')}{whole.strftime('-%m-%dT%H:%M:%S')}{_fraction(instant.nanos)}Z"


def read_instant(text: str) -> Timestamp:
    """The instant that the text names.

    Raises:
        ValueError: it is not of RFC 3339, or outside of the years 1 to 9999.
    """
    if (found := _INSTANT.fullmatch(text)) is None:
        raise ValueError(f"{text!r} is no instant like 2024-01-31T08:00:00Z")
    base, fraction, _, sign, hours, minutes = found.groups()
    zone = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    local = datetime.fromisoformat(base).replace(tzinfo=timezone(zone if sign != "-" else -zone))
    since = local - datetime(1970, 1, 1, tzinfo=UTC)
    instant = Timestamp(since.days * 86_400 + since.seconds, _nanos(fraction))
    write_timestamp(instant)
    return instant


def span_text(span: Duration) -> str:
    """`1.500s`, with none, three, six or nine digits behind the second."""
    write_duration(span)
    sign = "-" if span.seconds < 0 or span.nanos < 0 else ""
    return f"{sign}{abs(span.seconds)}{_fraction(abs(span.nanos))}s"


def read_span(text: str) -> Duration:
    """The span that the text names.

    Raises:
        ValueError: it is no number of seconds, or longer than 10,000 years.
    """
    if (found := _SPAN.fullmatch(text)) is None:
        raise ValueError(f"{text!r} is no span like 1.5s")
    sign = -1 if found[1] else 1
    span = Duration(sign * int(found[2]), sign * _nanos(found[3]))
    write_duration(span)
    return span


def _fraction(nanos: int) -> str:
    if nanos == 0:
        return ""
    digits = f"{nanos:09d}"
    return "." + (digits[:3] if digits.endswith("000000") else digits[:6] if digits.endswith("000") else digits)


def _nanos(fraction: str | None) -> int:
    return int((fraction or "0").ljust(9, "0"))


def mask_text(paths: Sequence[str]) -> str:
    """The paths of a field mask, joined by commas, in camel case.

    Raises:
        ValueError: a path would not come back as it was.
    """
    return ",".join(_camel_path(path) for path in paths)


def _camel_path(path: str) -> str:
    camel = re.sub(r"_([a-z])", lambda found: found[1].upper(), path)
    if "_" in camel or path.lower() != path:
        raise ValueError(f"the path {path!r} of a field mask has no form in JSON")
    return camel


def read_mask(text: str) -> list[str]:
    """The paths that the text names.

    Raises:
        ValueError: a path has characters that none can have.
    """
    paths = text.split(",") if text else []
    for path in paths:
        if _PATH.fullmatch(path) is None:
            raise ValueError(f"{path!r} is no path of a field mask")
    return [re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", path) for path in paths]


def bytes_text(data: bytes) -> str:
    return b64encode(data).decode("ascii")


def read_bytes(text: str) -> bytes:
    """The bytes that the text spells in base64, in either alphabet, with or without padding.

    Raises:
        ValueError: it does not.
    """
    digits = text.rstrip("=").replace("-", "+").replace("_", "/")
    if _BASE64.fullmatch(digits) is None or len(digits) % 4 == 1:
        raise ValueError("the text is not base64")
    return b64decode(digits + "=" * (-len(digits) % 4))


def read_integer(text: str) -> int:
    """The integer that the text spells, in whatever form a JSON number can have.

    Raises:
        ValueError: it spells none, or one that no field can hold.
    """
    if _NUMBER.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no integer")
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent of twenty digits
        raise ValueError(f"{text} is out of range") from None
    if number.adjusted() > _LARGEST_EXPONENT:
        raise ValueError(f"{text} is out of range")
    if number != number.to_integral_value():
        raise ValueError(f"{text} is no integer")
    return int(number)


def read_real(text: str) -> float:
    """The number that the text spells.

    Raises:
        ValueError: it spells none.
    """
    if text in ("NaN", "Infinity", "-Infinity"):
        return float(text)
    if _NUMBER.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no number")
    return float(text)
