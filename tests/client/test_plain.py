"""Tests of the short way for plain values: it must say what the long way says."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from enum import IntEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerebelum_client import from_payload, to_payload
from cerebelum_client.plain import is_plain, text_of, value_of
from cerebelum_proto.types.v1.types_pb import Payload

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts.filter(lambda key: key != "$"), inner),
)


class Size(IntEnum):
    SMALL = 1


class Name(str):
    __slots__ = ()


@given(values)
def test_plain_values_come_back_and_read_as_json_for_everybody(value: object) -> None:
    assert is_plain(value)
    assert value_of(text_of(value)) == json.loads(text_of(value)) == value


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, Size.SMALL, Name("x"), (1,), {1}, b"x", {1: 2}, {"$": 1}, [{"a": (1,)}], datetime.now(UTC)],
)
def test_what_json_would_change_is_not_plain(value: object) -> None:
    assert not is_plain(value)


def test_a_value_that_nests_deep_goes_the_long_way_and_comes_back() -> None:
    deep: object = 1
    for _ in range(150):
        deep = [{"in": deep}]

    assert not is_plain(deep)
    assert from_payload(to_payload(deep)) == deep


@pytest.mark.parametrize("text", [b" 2", b"2 ", b"\n[2]\n", b"2", b" null"])
def test_white_space_around_json_means_nothing(text: bytes) -> None:
    assert from_payload(Payload(encoding="json", data=text)) == json.loads(text)


@pytest.mark.parametrize("text", ["", "2 3", "[2", "{]", "nil"])
def test_a_text_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        value_of(text)
