"""Plain JSON values, which nearly every payload holds: written and read as they are, with nothing on the way.

A value is plain when JSON gives it back as it was. Whatever is not is left to those who know tags and annotations.
"""

from __future__ import annotations

import json
from json.scanner import make_scanner
from math import isfinite
from typing import Any, Final, cast

TAG: Final = "$"
"""The key of what is tagged: a mapping that has it is not plain."""
_DEEPEST = 100
"""Deeper values take the way that counts on Python's own limit of nesting."""
# `json.dumps` would make an encoder for each value, and a decoder looks for white space, of which there is none.
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_decoder = json.JSONDecoder()
_scan = make_scanner(cast("Any", _decoder))  # Any: typeshed says that a scanner is made of a scanner
_from_json = _decoder.decode


def is_plain(value: object, depth: int = 0) -> bool:
    """Whether JSON gives a value back as it was."""
    kind = type(value)
    if value is None or kind is str or kind is int or kind is bool:
        return True
    if isinstance(value, float):
        return kind is float and isfinite(value)
    if depth == _DEEPEST:
        return False
    if isinstance(value, list) and kind is list:
        return all(is_plain(item, depth + 1) for item in value)
    if isinstance(value, dict) and kind is dict and TAG not in value:
        return all(isinstance(key, str) and is_plain(item, depth + 1) for key, item in value.items())
    return False


def check_texts(subject: str, **values: object) -> None:
    """See that what has to be a text is one that can travel.

    Raises:
        TypeError: one is no text.
        ValueError: one holds a lone surrogate.
    """
    for name, value in values.items():
        if not isinstance(value, str):
            raise TypeError(f"{subject}: its {name} is {value!r}: give a text")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{subject}: its {name} {value!r} holds a lone surrogate, which is no text") from None


_LONGEST_TEXT = 64 * 1024


def error_text(text: str) -> str:
    """A text as an error carries it: with its lone surrogates spelled out, which no text can travel with, and cut where
    it would be in the way of others.
    """
    if len(text) > _LONGEST_TEXT:
        text = f"{text[:_LONGEST_TEXT]}... ({len(text)} characters)"
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def text_of(value: object) -> str:
    """The JSON text of what is plain or was made so."""
    if type(value) is int:
        return str(value)
    return str(_to_json(value))


def value_of(text: str) -> object:
    """What a JSON text holds.

    Raises:
        ValueError: it is none.
        RecursionError: it nests too deep.
    """
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        return _from_json(text)
    return value if end == len(text) else _from_json(text)
