"""JSON as Google writes and reads it; what it refuses we refuse, with the field's name."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cerebelum_codegen.runtime import DecodeError, Duration, EncodeError, NullValue, Timestamp
from cerebelum_proto.worker.worker_service_pb import ListExecutionsRequest, Task
from tests.codegen.conftest import Trial
from tests.codegen.oracle import Oracle, Ours

ALL = [
    f"trial.{name}"
    for name in (
        "Scalars",
        "Optionals",
        "Lists",
        "Unpacked",
        "Maps",
        "Tree",
        "Choice",
        "Known",
        "Newer",
        "Old",
        "Chosen2023",
        "Wrapped",
    )
] + ["cerebelum.worker.Task", "cerebelum.events.v1.Event"]

many = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def in_json(message: Any) -> Any:
    """What Google makes of a message, and reads again."""
    try:
        written = json.loads(json_format.MessageToJson(message))
        json_format.ParseDict(written, type(message)())
    except json_format.Error:
        assume(False)  # a number that JSON does not have, inside of a Struct; or the largest float, which it rounds up
    return written


def read_by_google(written: Any, kind: type[Any]) -> Any:
    """Google's message of its own JSON."""
    try:
        return json_format.ParseDict(written, kind())
    except json_format.ParseError:
        assume(False)  # it prints the largest float rounded up, and finds that too large


@pytest.mark.parametrize("name", ALL)
@many
@given(data=st.data())
def test_google_s_json_is_read_as_the_message_that_it_was(
    google: Oracle, ours: Ours, name: str, data: st.DataObject
) -> None:
    message = data.draw(google.messages(name))
    written = in_json(message)
    assert ours.classes[name].from_dict(written) == ours.classes[name].from_bytes(
        read_by_google(written, google.type_of(name)).SerializeToString()
    )


@pytest.mark.parametrize("name", ALL)
@many
@given(data=st.data())
def test_google_reads_our_json_as_the_message_that_it_was(
    google: Oracle, ours: Ours, name: str, data: st.DataObject
) -> None:
    message = data.draw(google.messages(name))
    expected = read_by_google(in_json(message), google.type_of(name))
    written = ours.like(message).to_json()
    assert ours.like(json_format.Parse(written, google.type_of(name)())) == ours.like(expected)
    assert ours.classes[name].from_json(written) == ours.like(expected)


def test_what_says_nothing_is_an_empty_object_and_all_of_it_can_be_asked_for(trial: Trial) -> None:
    assert trial.kinds.Scalars().to_json() == "{}"
    every = trial.kinds.Scalars().to_dict(defaults=True)
    assert (every["anInt64"], every["aString"], every["aColor"], every["aBool"]) == (
        "0",
        "",
        "COLOR_UNSPECIFIED",
        False,
    )
    assert trial.kinds.Lists().to_dict(defaults=True)["strings"] == []
    assert trial.kinds.Optionals(a_string="").to_dict(defaults=True) == {"aString": ""}


def test_fields_go_by_either_name_and_are_read_by_both(trial: Trial) -> None:
    message = trial.kinds.Scalars(an_int32=7)
    assert message.to_dict() == {"anInt32": 7}
    assert message.to_dict(proto_names=True) == {"an_int32": 7}
    assert trial.kinds.Scalars.from_dict({"an_int32": 7}) == trial.kinds.Scalars.from_dict({"anInt32": 7}) == message
    with pytest.raises(DecodeError, match=r"^trial\.Scalars\.an_int32: the field is there twice"):
        trial.kinds.Scalars.from_dict({"an_int32": 7, "anInt32": 7})


def test_a_text_can_be_laid_out_for_people(trial: Trial) -> None:
    assert trial.kinds.Leaf(name="é", size=1).to_json() == '{"name":"é","size":1}'
    assert trial.kinds.Leaf(name="a").to_json(indent=2) == '{\n  "name": "a"\n}'


def test_what_json_has_no_number_for_is_text(trial: Trial) -> None:
    message = trial.kinds.Scalars(an_int64=-(1 << 63), a_double=float("inf"), a_float=0.1, a_bytes=b"\xff\xfe")
    assert message.to_dict() == {"anInt64": str(-(1 << 63)), "aDouble": "Infinity", "aFloat": 0.1, "aBytes": "//4="}
    assert trial.kinds.Scalars(a_float=3.4028234663852886e38).to_dict() == {"aFloat": 3.4028234663852886e38}
    assert trial.kinds.Scalars.from_dict({"aBytes": "__4"}).a_bytes == b"\xff\xfe"
    assert trial.kinds.Scalars.from_dict({"anInt32": "1e2", "anInt64": 3.0}).an_int32 == 100


def test_instants_and_spans_are_text_with_the_digits_that_they_need() -> None:
    task = Task(created_at=Timestamp(0, 500_000_000))
    assert task.to_dict() == {"createdAt": "1970-01-01T00:00:00.500Z"}
    assert Task.from_dict({"createdAt": "1970-01-01T01:00:00.5+01:00"}) == task
    for text, instant in (
        ("0001-01-01T00:00:00Z", Timestamp(-62_135_596_800)),
        ("1969-12-31T23:59:59.000000001Z", Timestamp(-1, 1)),
    ):
        assert Task(created_at=instant).to_dict() == {"createdAt": text}
        assert Task.from_dict({"createdAt": text}).created_at == instant


def test_spans(trial: Trial) -> None:
    for text, span in (("-0.500s", Duration(0, -500_000_000)), ("3s", Duration(3)), ("0.000001s", Duration(0, 1_000))):
        assert trial.kinds.Known(span=span).to_dict() == {"span": text}
        assert trial.kinds.Known.from_dict({"span": text}).span == span


def test_a_null_is_absence_except_where_null_is_a_value(trial: Trial) -> None:
    kinds = trial.kinds
    assert kinds.Optionals.from_dict({"aString": None}) == kinds.Optionals()
    said = kinds.Known.from_dict({"one": None})
    assert said.one is NullValue.NULL_VALUE
    assert said.to_dict() == {"one": None}
    assert kinds.Known.from_bytes(said.to_bytes()) == said
    assert kinds.Known().to_dict() == {}
    assert kinds.Choice.from_dict({"anyValue": None}).choice == kinds.Choice_AnyValue(None)
    strange = kinds.Wrapped(nothing=NullValue(59))
    assert strange.to_dict() == {"nothing": 59}
    assert kinds.Wrapped.from_dict(strange.to_dict()) == strange


def test_an_enum_goes_by_its_name_or_its_number(trial: Trial) -> None:
    scalars = trial.kinds.Scalars
    assert scalars.from_dict({"aColor": "COLOR_RED"}) == scalars.from_dict({"aColor": 1})
    assert scalars(a_color=trial.kinds.Color(99)).to_dict() == {"aColor": 99}
    assert scalars.from_dict({"aColor": 99}).a_color == 99


def test_what_is_not_known_is_refused_unless_it_is_to_be_ignored(trial: Trial) -> None:
    data: Any = {"name": "a", "more": {"deep": [1]}}
    with pytest.raises(DecodeError, match=r"^trial\.Leaf has no field 'more'"):
        trial.kinds.Leaf.from_dict(data)
    assert trial.kinds.Leaf.from_dict(data, ignore_unknown=True) == trial.kinds.Leaf(name="a")
    colors: Any = {"colors": ["COLOR_RED", "COLOR_NEW"], "doubles": [1]}
    assert trial.kinds.Lists.from_dict(colors, ignore_unknown=True).colors == [trial.kinds.Color.COLOR_RED]


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        ("Scalars", '{"anInt32": 2147483648}', r"Scalars\.an_int32: 2147483648 is out of range for int32"),
        ("Scalars", '{"anInt32": "1e999999999"}', r"Scalars\.an_int32: 1e999999999 is out of range"),
        ("Scalars", '{"anInt32": "1e99999999999999999999"}', r"Scalars\.an_int32: 1e9+ is out of range"),
        ("Scalars", '{"anInt32": 1.5}', r"Scalars\.an_int32: 1\.5 is no integer"),
        ("Scalars", '{"anInt32": true}', r"Scalars\.an_int32: True is no integer"),
        ("Scalars", '{"aFloat": 1e39}', r"Scalars\.a_float: 1e\+39 is out of range for float"),
        ("Scalars", '{"aDouble": 1e999}', r"Scalars: this is not JSON \(the number 1e999 is out of range\)"),
        ("Scalars", '{"aDouble": NaN}', r"Scalars: this is not JSON \(NaN is no value of JSON\)"),
        ("Scalars", '{"aDouble": ""}', r"Scalars\.a_double: '' is no number"),
        ("Scalars", '{"aBool": 1}', r"Scalars\.a_bool: 1 is neither true nor false"),
        ("Scalars", '{"aString": 1}', r"Scalars\.a_string: 1 is no text"),
        ("Scalars", '{"aString": "\\ud800"}', r"Scalars\.a_string: .*surrogates not allowed"),
        ("Scalars", '{"aBytes": "a"}', r"Scalars\.a_bytes: the text is not base64"),
        ("Scalars", '{"aColor": "RED"}', r"Scalars\.a_color: 'RED' is no member of Color"),
        ("Scalars", '{"aString": "a", "aString": "b"}', r"Scalars: this is not JSON \(an object has a member twice\)"),
        ("Lists", '{"int32s": 1}', r"Lists\.int32s: 1 is no list"),
        ("Lists", '{"int32s": [null]}', r"Lists\.int32s: null stands where a value is due"),
        ("Maps", '{"byBool": {"yes": {}}}', r"Maps\.by_bool: the key 'yes' is neither true nor false"),
        ("Tree", '{"left": {"left": {"name": 1}}}', r"Tree\.name: 1 is no text"),
        ("Choice", '{"text": "a", "flag": true}', r"Choice\.choice: two of its members are there"),
        ("Known", '{"instant": "2024-01-01 00:00:00Z"}', r"Known\.instant: .* is no instant like"),
        ("Known", '{"instant": "2024-13-01T00:00:00Z"}', r"Known\.instant: month must be in 1\.\.12"),
        ("Known", '{"span": "1"}', r"Known\.span: '1' is no span like 1\.5s"),
        ("Known", '{"span": "315576000001s"}', r"Known\.span: .* outside of"),
        ("Known", "[]", r"Known: \[\] is no object"),
        ("Known", "null", r"Known: None is no object"),
        ("Known", "{", r"Known: this is not JSON"),
        ("Known", "[" * 100_000, r"Known: the JSON nests too deep"),
        ("Known", '{"one": %s}' % ("[" * 200 + "]" * 200), r"Known\.one: values nest deeper than 100"),
        ("Tree", '{"left": ' * 200 + "{}" + "}" * 200, r"nest deeper than 100"),
        ("Scalars", '{"anInt32": %s}' % ("9" * 5_000), r"Scalars: this is not JSON \(Exceeds the limit"),
    ],
)  # fmt: skip
def test_json_that_does_not_fit_is_refused_with_the_field_s_name(trial: Trial, kind: str, data: str, said: str) -> None:
    with pytest.raises(DecodeError, match=said):
        getattr(trial.kinds, kind).from_json(data)


@pytest.mark.parametrize(
    "data", [{1: 2}, {"name": b"a"}, {"children": {}}, {"children": "a"}, {"named": [1]}, {"root": 1.5}]
)
def test_plain_values_that_json_would_not_hold_are_refused_too(trial: Trial, data: Any) -> None:
    with pytest.raises(DecodeError, match=r"^trial\.Tree"):
        trial.kinds.Tree.from_dict(data)


def test_a_value_that_its_field_cannot_carry_has_no_json_either(trial: Trial) -> None:
    with pytest.raises(EncodeError, match=r"trial\.Scalars\.an_int32: 4294967296 is out of range for int32"):
        trial.kinds.Scalars(an_int32=1 << 32).to_json()
    with pytest.raises(EncodeError, match=r"trial\.Known\.object: JSON has no nan"):
        trial.kinds.Known(object={"a": float("nan")}).to_json()


def test_a_wrapped_dictionary_reads_as_the_request_that_it_is() -> None:
    request = ListExecutionsRequest.from_dict({"workflowName": "orders"})
    assert request.workflow_name == "orders"


@given(data=st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["name", "left", "children", "named", "parent", "guest", "root", "soil", "above", "x"]), inner, max_size=4),
    max_leaves=8))  # fmt: skip
@settings(many, max_examples=200)
def test_any_json_is_a_message_or_a_decode_error(trial: Trial, data: Any) -> None:
    with suppress(DecodeError):
        trial.kinds.Tree.from_json(json.dumps(data))
