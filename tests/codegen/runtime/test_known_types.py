"""Struct as plain values; Timestamp and Duration, exact to the nanosecond."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration as GoogleDuration
from google.protobuf.timestamp_pb2 import Timestamp as GoogleTimestamp
from hypothesis import given
from hypothesis import strategies as st

from cerebelum_codegen.runtime import DecodeError, Duration, EncodeError, Timestamp
from cerebelum_codegen.runtime.jsonvalue import JsonValue
from cerebelum_proto.worker.worker_service_pb import Task
from tests.codegen.conftest import Trial
from tests.codegen.oracle import OBJECTS

_FIRST, _LAST = -62_135_596_800, 253_402_300_799
"""Seconds of the years 1 and 9999."""


class Words(StrEnum):
    HELLO = "hello"


class Numbers(IntEnum):
    SEVEN = 7


class OnlyMapping(Mapping[str, int]):
    def __getitem__(self, key: str) -> int:
        return {"a": 1}[key]

    def __iter__(self) -> Iterator[str]:
        return iter(["a"])

    def __len__(self) -> int:
        return 1


@given(value=OBJECTS)
def test_a_struct_comes_back_as_it_was(value: dict[str, Any]) -> None:
    assert Task.from_bytes(Task(step_inputs=value).to_bytes()).step_inputs == value


@pytest.mark.parametrize(
    ("given_value", "read"),
    [
        (1, 1.0),
        (-(1 << 53), -9007199254740992.0),
        (True, True),
        ((1, "a", None), [1.0, "a", None]),
        ({"a": {}}, {"a": {}}),
        ([], []),
        (OrderedDict(b=1, a=2), {"b": 1.0, "a": 2.0}),
        (MappingProxyType({"a": [()]}), {"a": [[]]}),
        (OnlyMapping(), {"a": 1.0}),
        (range(2), [0.0, 1.0]),
        (Words.HELLO, "hello"),
        (Numbers.SEVEN, 7.0),
    ],
)
def test_a_struct_takes_whatever_is_a_mapping_a_sequence_or_a_scalar(given_value: Any, read: Any) -> None:
    (value,) = (Task.from_bytes(Task(context={"k": given_value}).to_bytes()).context or {}).values()
    assert value == read
    assert type(value) is type(read)


def test_an_empty_struct_is_not_an_absent_one() -> None:
    assert Task.from_bytes(Task(context={}).to_bytes()).context == {}
    assert Task.from_bytes(b"").context is None


def test_a_value_without_a_kind_is_null(trial: Trial) -> None:
    assert trial.kinds.Known.from_bytes(b"\x6a\x00").values == [None]
    assert trial.kinds.Known.from_bytes(b"\x0a\x07\x0a\x05\x0a\x01a\x12\x00").object == {"a": None}
    assert trial.kinds.Known.from_bytes(b"\x0a\x05\x0a\x03\x0a\x01a").object == {"a": None}


def test_a_null_in_a_list_of_values_and_in_a_oneof_is_not_lost(trial: Trial) -> None:
    kinds = trial.kinds
    for message in (kinds.Known(values=[None, 1.0, None]), kinds.Choice(choice=kinds.Choice_AnyValue(None))):
        assert type(message).from_bytes(message.to_bytes()) == message


def test_a_struct_in_two_parts_is_one_and_the_later_key_counts() -> None:
    parts = Task(context={"a": 1.0, "b": [1.0]}).to_bytes() + Task(context={"b": None, "c": "d"}).to_bytes()
    assert Task.from_bytes(parts).context == {"a": 1.0, "b": None, "c": "d"}


@given(nanoseconds=st.integers(-62_135_596_800 * 10**9, 253_402_300_800 * 10**9 - 1))
def test_a_timestamp_is_exact_to_the_nanosecond_as_google_s_is(nanoseconds: int) -> None:
    instant = Timestamp.from_ns(nanoseconds)
    expected = GoogleTimestamp()
    expected.FromNanoseconds(nanoseconds)
    assert (instant.seconds, instant.nanos) == (expected.seconds, expected.nanos)
    assert instant.to_ns() == nanoseconds
    assert Task.from_bytes(Task(created_at=instant).to_bytes()).created_at == instant


@given(nanoseconds=st.integers(-(10**18), 10**18))
def test_a_duration_is_exact_to_the_nanosecond_as_google_s_is(nanoseconds: int) -> None:
    span = Duration.from_ns(nanoseconds)
    expected = GoogleDuration()
    expected.FromNanoseconds(nanoseconds)
    assert (span.seconds, span.nanos) == (expected.seconds, expected.nanos)
    assert span.to_ns() == nanoseconds


@given(span=st.timedeltas())
def test_a_timedelta_comes_back_as_it_was(span: timedelta) -> None:
    assert Duration.from_timedelta(span).to_timedelta() == span


@given(instant=st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))])))
def test_an_aware_datetime_comes_back_as_it_was_and_sorts_as_it_did(instant: datetime) -> None:
    stamp = Timestamp.from_datetime(instant)
    if datetime(1, 1, 2, tzinfo=UTC) < instant < datetime(9999, 12, 30, tzinfo=UTC):
        assert stamp.to_datetime() == instant
        assert Timestamp.from_datetime(instant + timedelta(microseconds=1)) > stamp


def test_a_naive_datetime_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone: pass an aware datetime"):
        Timestamp.from_datetime(datetime(2024, 1, 1))  # noqa: DTZ001  # that it is naive is the point


def test_what_a_datetime_cannot_hold_falls_away() -> None:
    assert Timestamp(0, 999_999_999).to_datetime() == datetime(1970, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC)
    assert Timestamp(-1, 1_999).to_datetime() == datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC)
    assert Duration(-1, -999_999_999).to_timedelta() == timedelta(seconds=-1, microseconds=-999_999)


def test_instants_and_spans_are_values() -> None:
    assert sorted([Timestamp(1), Timestamp(0, 5), Timestamp(-1, 9)]) == [
        Timestamp(-1, 9),
        Timestamp(0, 5),
        Timestamp(1),
    ]
    assert sorted([Duration(0, 1), Duration(-1, -5), Duration(), Duration(0, -1)])[0] == Duration(-1, -5)
    assert Duration(0, -1) < Duration() < Duration(0, 1) < Duration(1)
    assert len({Timestamp(1), Timestamp(1, 0), Duration(1), Duration(1, 0)}) == 2
    with pytest.raises(AttributeError):
        Timestamp(1).seconds = 2  # type: ignore[misc]


@pytest.mark.parametrize("seconds", [1 << bits for bits in (7, 14, 21, 28, 35)] + [_FIRST, _LAST])
@pytest.mark.parametrize("nanos", [0, *(1 << bits for bits in (7, 14, 21, 28)), 999_999_999])
def test_an_instant_is_read_whatever_it_is_long(seconds: int, nanos: int) -> None:
    for second in {max(seconds - 1, _FIRST), seconds}:
        for nano in {max(nanos - 1, 0), nanos}:
            instant = Timestamp(second, nano)
            assert Task.from_bytes(Task(created_at=instant).to_bytes()).created_at == instant
            theirs = GoogleTimestamp(seconds=second, nanos=nano).SerializeToString()
            assert Timestamp.from_bytes(theirs) == instant
            assert instant.to_bytes() == theirs


@pytest.mark.parametrize("length", [0, 1, 2, 111, *range(114, 125), 127, 128, 255, 256, 2000])
@pytest.mark.parametrize("value", ["", "text", 1.5, True, False, None, {}, {"k": "v"}, [], ["v", None], "x" * 130])
def test_an_entry_of_a_struct_is_read_whatever_its_key_is_long(length: int, value: JsonValue) -> None:
    task = Task(step_inputs={"before": 1.0, "k" * length: value, "behind": "b"})
    data = task.to_bytes()
    assert Task.from_bytes(data) == task
    spoiled = [data[:at] for at in range(max(3, len(data) - 400), len(data))]
    assert all(_refused(each) for each in spoiled)


def _refused(data: bytes) -> bool:
    try:
        Task.from_bytes(data)
    except DecodeError:
        return True
    return False


def test_a_timestamp_in_two_parts_is_one(trial: Trial) -> None:
    kinds = trial.kinds
    assert kinds.Known.from_bytes(b"\x22\x02\x08\x05\x22\x02\x10\x07").instant == Timestamp(5, 7)
    assert kinds.Choice.from_bytes(b"\xca\x01\x02\x08\x05\xca\x01\x02\x10\x07").choice == kinds.Choice_Span(
        Duration(5, 7)
    )


def test_an_instant_of_a_clock_is_the_same_for_a_millisecond_and_is_written_as_any_other() -> None:
    first = Timestamp.from_ms(1_700_000_000_123)
    assert Timestamp.from_ms(1_700_000_000_123) is first
    assert first == Timestamp(1_700_000_000, 123_000_000)
    later = Timestamp.from_ms(1_700_000_000_124)
    for each in (first, later, Timestamp.from_ms(-1), Timestamp.from_ms(0)):
        assert each.to_bytes() == Timestamp(each.seconds, each.nanos).to_bytes()
        assert Timestamp.from_bytes(each.to_bytes()) == each
    with pytest.raises(ValueError, match="outside"):
        Timestamp.from_ms(253_402_300_800_000)


@pytest.mark.parametrize(
    "body",
    [
        b"\x08\x80\xe2\xcf\xaa\x06\x10\x80\x80\x80\x01",
        b"\x08\x80\xe2\xcf\xaa\x06\x10\x80\x80\x80\x00",
        b"\x08\x80\xe2\xcf\xaa\x00\x10\x80\x80\x80\x01",
        b"\x08\x80\xe2\xcf\xaa\x06\x10\x80\x80\x80\x80\x00",
        b"\x08\x80\xe2\xcf\xaa\x06\x10\x80\x80\x80\x80\x01",
    ],
)
def test_what_was_read_is_written_in_the_one_way_that_there_is(body: bytes) -> None:
    once, again = (
        Task.from_bytes(b"\x3a" + bytes([len(body)]) + body),
        Task.from_bytes(b"\x3a" + bytes([len(body)]) + body),
    )
    assert once.created_at == again.created_at
    written = b"" if once.created_at is None else once.created_at.to_bytes()
    google = GoogleTimestamp.FromString(body)
    assert written == google.SerializeToString(deterministic=True)


def test_what_was_read_and_cannot_be_written_is_refused_still() -> None:
    task = Task.from_bytes(b"\x3a\x0c\x08\x80\xe2\xcf\xaa\x06\x10\x80\x80\x80\x80\x07")
    assert task.created_at is not None
    assert task.created_at.nanos > 1_000_000_000
    with pytest.raises(EncodeError, match="created_at"):
        task.to_bytes()
