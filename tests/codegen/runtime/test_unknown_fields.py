"""What a newer sender says passes through an older reader."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cerebelum_codegen.runtime import Empty
from tests.codegen.conftest import Trial
from tests.codegen.oracle import Oracle, canonical


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_an_older_reader_does_not_know_it_writes_out_again(
    google: Oracle, trial: Trial, data: st.DataObject
) -> None:
    message = data.draw(google.messages("trial.Newer"))
    through = trial.kinds.Older.from_bytes(message.SerializeToString()).to_bytes()
    assert canonical(google.type_of("trial.Newer").FromString(through)) == canonical(message)


def test_a_group_nobody_knows_is_kept_with_all_that_is_in_it(trial: Trial) -> None:
    group = b"\xa3\x06" + b"\x08\x01\x12\x03abc\x1b\x15\x00\x00\x00\x00\x1c" + b"\xa4\x06"
    assert trial.kinds.Older.from_bytes(b"\x0a\x01n" + group).to_bytes() == b"\x0a\x01n" + group


def test_unknown_fields_are_written_after_the_known_and_survive_a_change(trial: Trial) -> None:
    message = trial.kinds.Older.from_bytes(b"\xa0\x06\x07\x0a\x03old")
    message.name = "new"
    assert message.to_bytes() == b"\x0a\x03new\xa0\x06\x07"


def test_unknown_fields_count_when_messages_are_compared_and_do_not_show(trial: Trial) -> None:
    plain, more = trial.kinds.Leaf(name="a"), trial.kinds.Leaf.from_bytes(b"\x0a\x01a\xa0\x06\x07")
    assert plain != more
    assert repr(plain) == repr(more) == "Leaf(name='a', size=0)"


def test_a_replaced_message_keeps_its_unknown_fields(trial: Trial) -> None:
    message = trial.kinds.Leaf.from_bytes(b"\x0a\x01a\xa0\x06\x07")
    assert replace(message, name="b").to_bytes() == b"\x0a\x01b\xa0\x06\x07"


@pytest.mark.parametrize(
    ("data", "field"),
    [
        pytest.param(b"\x0d\x00\x00\x00\x00", "a_double", id="a fixed32 where a double belongs"),
        pytest.param(b"\x1a\x01\x05", "an_int32", id="a length where a number belongs"),
        pytest.param(b"\x6d\x01\x00\x00\x00", "a_bool", id="a fixed32 where a bool belongs"),
        pytest.param(b"\x70\x05", "a_string", id="a number where a string belongs"),
        pytest.param(b"\x7b\x7c", "a_bytes", id="a group where bytes belong"),
    ],
)
def test_a_known_number_with_another_wire_type_is_an_unknown_field(
    google: Oracle, trial: Trial, data: bytes, field: str
) -> None:
    message = trial.kinds.Scalars.from_bytes(data)
    assert getattr(message, field) == getattr(trial.kinds.Scalars(), field)
    assert message.to_bytes() == data
    assert google.type_of("trial.Scalars").FromString(data).SerializeToString() == data


def test_an_empty_message_keeps_what_it_is_sent() -> None:
    assert Empty.from_bytes(b"\x0a\x01a").to_bytes() == b"\x0a\x01a"
    assert Empty.from_bytes(b"") == Empty()
