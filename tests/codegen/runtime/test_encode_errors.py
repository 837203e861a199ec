"""What a field's type cannot carry is not written: the error names the field."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cerebelum_codegen.runtime import Duration, EncodeError, Timestamp
from tests.codegen.conftest import Trial

RANGES = {
    "int32": (-(1 << 31), (1 << 31) - 1),
    "sint32": (-(1 << 31), (1 << 31) - 1),
    "sfixed32": (-(1 << 31), (1 << 31) - 1),
    "int64": (-(1 << 63), (1 << 63) - 1),
    "sint64": (-(1 << 63), (1 << 63) - 1),
    "sfixed64": (-(1 << 63), (1 << 63) - 1),
    "uint32": (0, (1 << 32) - 1),
    "fixed32": (0, (1 << 32) - 1),
    "uint64": (0, (1 << 64) - 1),
    "fixed64": (0, (1 << 64) - 1),
}
SINGULAR = {kind: f"{'an' if kind.startswith('int') else 'a'}_{kind}" for kind in RANGES}


@pytest.mark.parametrize("kind", RANGES)
@pytest.mark.parametrize("side", [0, 1])
def test_a_number_one_beyond_its_range_is_refused_and_the_last_one_is_not(trial: Trial, kind: str, side: int) -> None:
    limit = RANGES[kind][side]
    beyond = limit + (1 if side else -1)
    for message, field, holds in (
        (trial.kinds.Scalars, SINGULAR[kind], lambda number: number),
        (trial.kinds.Optionals, SINGULAR[kind], lambda number: number),
        (trial.kinds.Lists, f"{kind}s", lambda number: [1, number]),
        (trial.kinds.Unpacked, f"{kind}s", lambda number: [1, number]),
    ):
        kept = message(**{field: holds(limit)})
        assert message.from_bytes(kept.to_bytes()) == kept
        with pytest.raises(EncodeError, match=rf"^{re.escape(message.FULL_NAME)}\.{field}: "):
            message(**{field: holds(beyond)}).to_bytes()


@pytest.mark.parametrize("key", ["int32", "int64", "uint32", "uint64", "sint32", "fixed32", "sfixed64"])
def test_a_key_beyond_its_range_is_refused(trial: Trial, key: str) -> None:
    field = f"by_{key}"
    item = trial.kinds.Maps.from_bytes(b"")
    getattr(item, field)[RANGES[key][1] + 1] = _zero(trial, field)
    with pytest.raises(EncodeError, match=rf"^trial\.Maps\.{field}: "):
        item.to_bytes()


def _zero(trial: Trial, field: str) -> Any:
    return {
        "by_int32": "",
        "by_int64": b"",
        "by_uint32": 0.0,
        "by_uint64": 0.0,
        "by_sint32": False,
        "by_fixed32": 0,
        "by_sfixed64": trial.kinds.Color.COLOR_RED,
    }[field]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("a_string", None),
        ("a_string", b"bytes"),
        ("a_string", 5),
        ("a_string", "half a pair \ud800"),
        ("a_bytes", "text"),
        ("a_bytes", None),
        ("a_bytes", [1, 2]),
        ("a_bytes", 3),
        ("a_bool", 1),
        ("a_bool", None),
        ("a_bool", "yes"),
        ("an_int32", "1"),
        ("an_int32", None),
        ("an_int32", 1.5),
        ("an_int32", 1e30),
        ("an_int32", float("nan")),
        ("a_uint64", 2000.5),
        ("a_sint32", 1.5),
        ("a_fixed32", 1.5),
        ("a_double", "1"),
        ("a_double", None),
        ("a_float", 1e300),
        ("a_color", "COLOR_RED"),
        ("a_color", 1 << 31),
    ],
)
def test_a_value_of_another_type_is_refused(trial: Trial, field: str, value: object) -> None:
    with pytest.raises(EncodeError, match=rf"^trial\.Scalars\.{field}: \S"):
        trial.kinds.Scalars(**{field: value}).to_bytes()


def test_the_error_says_what_the_field_takes(trial: Trial) -> None:
    with pytest.raises(EncodeError, match=r"^trial\.Scalars\.a_bytes: str is not bytes; the field takes bytes$"):
        trial.kinds.Scalars(a_bytes="text").to_bytes()
    with pytest.raises(EncodeError, match=r"^trial\.Scalars\.an_int32: 1099511627776 is out of range for int32$"):
        trial.kinds.Scalars(an_int32=1 << 40).to_bytes()


def test_bytes_like_values_are_written_whole(trial: Trial) -> None:
    wide = memoryview(b"eight by").cast("q")
    for value in (bytearray(b"eight by"), memoryview(b"eight by"), wide):
        data = trial.kinds.Scalars(a_bytes=value).to_bytes()
        assert trial.kinds.Scalars.from_bytes(data).a_bytes == b"eight by"


@pytest.mark.parametrize("field", ["doubles", "int32s", "bools", "strings", "blobs", "colors"])
@pytest.mark.parametrize("value", [None, 5, [None], [object()]])
def test_a_list_of_something_else_is_refused(trial: Trial, field: str, value: object) -> None:
    for kind in ("Lists", "Unpacked"):
        if value is None and kind == "Lists" and field not in ("strings", "blobs"):
            continue  # an empty packed list and None are the same nothing
        with pytest.raises(EncodeError, match=rf"^trial\.{kind}\.{field}: "):
            getattr(trial.kinds, kind)(**{field: value}).to_bytes()


def test_a_message_of_another_class_is_refused(trial: Trial) -> None:
    kinds = trial.kinds
    wrong = kinds.Leaf()
    for field, value in (
        ("left", wrong),
        ("children", [kinds.Tree(), wrong]),
        ("named", {"a": wrong}),
        ("root", wrong),
    ):
        with pytest.raises(EncodeError, match=rf"^trial\.Tree\.{field}: Leaf is not Tree"):
            kinds.Tree(**{field: value}).to_bytes()


def test_what_is_no_member_of_a_oneof_is_refused(trial: Trial) -> None:
    for value in (trial.kinds.Scalars(), "text", 5):
        with pytest.raises(EncodeError, match=rf"^trial\.Tree\.kin: {type(value).__name__} is no member"):
            trial.kinds.Tree(kin=value).to_bytes()
    for value in (trial.kinds.Choice_Number(1 << 63), trial.kinds.Choice_Text(5), trial.kinds.Choice_Data("x")):
        with pytest.raises(EncodeError, match=r"^trial\.Choice\.choice: "):
            trial.kinds.Choice(choice=value).to_bytes()


def test_an_error_in_a_nested_message_names_the_field_where_it_is(trial: Trial) -> None:
    kinds = trial.kinds
    for value in (
        kinds.Tree(left=kinds.Tree(kin=kinds.Leaf(size=1 << 31))),
        kinds.Tree(children=[kinds.Tree(), kinds.Tree(kin=kinds.Leaf(size=1 << 31))]),
        kinds.Tree(named={"a": kinds.Tree(kin=kinds.Leaf(size=1 << 31))}),
    ):
        with pytest.raises(EncodeError, match=r"^trial\.Leaf\.size: 2147483648 is out of range for int32"):
            value.to_bytes()


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": object()}, r"\['a'\]: a Struct cannot hold object"),
        ({"a": [1, {"b": 1 << 60}]}, r"\['a'\]\[1\]\['b'\]: 1152921504606846976 is beyond 2\*\*53"),
        ({"a": -(1 << 53) - 1}, r"\['a'\]: -9007199254740993 is beyond 2\*\*53"),
        ({"a": {1: 2}}, r"\['a'\]: 1 is no key"),
        ({1: 2}, ": 1 is no key"),
        ({"a": b"bytes"}, r"\['a'\]: a Struct cannot hold bytes"),
        ({"a": ["b", {"c"}]}, r"\['a'\]\[1\]: a Struct cannot hold set"),
        ({"a": ["\ud800"]}, r"\['a'\]\[0\]: 'utf-8' codec"),
        (["a"], ": "),
        ("text", ": "),
    ],
)
def test_what_a_struct_cannot_hold_is_named_with_its_path(trial: Trial, value: Any, path: str) -> None:
    for field, holds in (("object", value), ("objects", [value])):
        with pytest.raises(EncodeError, match=rf"^trial\.Known\.{field}{path}"):
            trial.kinds.Known(**{field: holds}).to_bytes()


def test_a_struct_that_holds_itself_is_refused(trial: Trial) -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    with pytest.raises(EncodeError, match=r"^trial\.Known\.object: "):
        trial.kinds.Known(object=endless).to_bytes()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("instant", Timestamp(-62_135_596_801)),
        ("instant", Timestamp(253_402_300_800)),
        ("instant", Timestamp(0, -1)),
        ("instant", Timestamp(0, 1_000_000_000)),
        ("instant", Timestamp(1.5)),  # type: ignore[arg-type]
        ("instant", Duration(1)),
        ("instant", 5),
        ("span", Duration(315_576_000_001)),
        ("span", Duration(1, -1)),
        ("span", Duration(-1, 1)),
        ("span", Duration(0, 1_000_000_000)),
        ("span", Timestamp(1)),
    ],
)
def test_an_instant_or_span_that_does_not_exist_is_refused(trial: Trial, field: str, value: object) -> None:
    with pytest.raises(EncodeError, match=rf"^trial\.Known\.{field}: "):
        trial.kinds.Known(**{field: value}).to_bytes()


def test_a_message_that_holds_itself_is_refused(trial: Trial) -> None:
    kinds = trial.kinds
    for field, holds in (
        ("left", lambda tree: tree),
        ("children", lambda tree: [tree]),
        ("named", lambda tree: {"": tree}),
    ):
        endless = kinds.Tree()
        setattr(endless, field, holds(endless))
        with pytest.raises(EncodeError, match="messages nest deeper than 100"):
            endless.to_bytes()
