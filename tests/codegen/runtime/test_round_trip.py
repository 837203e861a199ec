"""What we write Google reads, and the other way round."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.codegen.oracle import Oracle, Ours, canonical

CONTRACT = [
    "cerebelum.worker.Task",
    "cerebelum.worker.TaskResult",
    "cerebelum.worker.Blueprint",
    "cerebelum.worker.ExecutionStatus",
    "cerebelum.worker.ListExecutionsRequest",
    "cerebelum.events.v1.Event",
]
TRIAL = [
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
        "Boxed",
    )
]

many = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.mark.parametrize("name", CONTRACT + TRIAL)
@many
@given(data=st.data())
def test_what_we_write_google_reads_as_the_same(google: Oracle, ours: Ours, name: str, data: st.DataObject) -> None:
    message = data.draw(google.messages(name))
    read = google.type_of(name).FromString(ours.like(message).to_bytes())
    assert canonical(read) == canonical(message)


@pytest.mark.parametrize("name", CONTRACT + TRIAL)
@many
@given(data=st.data())
def test_what_google_writes_we_read_as_the_same(google: Oracle, ours: Ours, name: str, data: st.DataObject) -> None:
    message = data.draw(google.messages(name))
    read = ours.classes[name].from_bytes(message.SerializeToString())
    assert read == ours.like(message)
    assert canonical(google.type_of(name).FromString(read.to_bytes())) == canonical(message)


@pytest.mark.parametrize("name", CONTRACT + TRIAL)
@many
@given(data=st.data())
def test_two_messages_in_a_row_merge_as_google_merges_them(
    google: Oracle, ours: Ours, name: str, data: st.DataObject
) -> None:
    first, second = (data.draw(google.messages(name)) for _ in range(2))
    joined = first.SerializeToString() + second.SerializeToString()
    expected = google.type_of(name).FromString(joined)
    read = ours.classes[name].from_bytes(joined)
    assert read == ours.like(expected)
    merged = ours.like(first)
    merged.merge_from_bytes(second.SerializeToString())
    assert merged == read
