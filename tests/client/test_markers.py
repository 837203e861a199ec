"""The marker serializer: a request and the task result that carries it are the same thing, both ways."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerebelum_client import Approval, Request, SignalWait, Sleep, from_marker, read_marker, to_marker, write_marker
from cerebelum_codegen.runtime import DecodeError
from cerebelum_proto.worker.worker_service_pb import (
    ApprovalRequest,
    SignalRequest,
    SleepRequest,
    TaskResult,
    TaskStatus,
)

spans = st.integers(1, 10**12).map(lambda ms: timedelta(milliseconds=ms))
data = st.dictionaries(st.text(), st.booleans() | st.text() | st.none(), max_size=3)
requests = (
    st.builds(Sleep, spans, data)
    | st.builds(Approval, st.text(), data, st.none() | spans)
    | st.builds(SignalWait, st.text(), st.none() | spans)
)


@given(requests)
def test_a_request_comes_back_from_the_wire(request: Request) -> None:
    result = TaskResult(task_id="t")
    write_marker(request, result)
    assert read_marker(TaskResult.from_bytes(result.to_bytes())) == request


@given(requests)
def test_a_request_is_its_marker(request: Request) -> None:
    assert from_marker(to_marker(request)) == request


def test_each_marker_goes_with_its_status() -> None:
    for request, status in (
        (Sleep(timedelta(1)), TaskStatus.SLEEP),
        (Approval(), TaskStatus.APPROVAL),
        (SignalWait("paid"), TaskStatus.SIGNAL),
    ):
        result = TaskResult()
        write_marker(request, result)
        assert result.status is status


@pytest.mark.parametrize(
    ("span", "duration_ms"),
    [(timedelta(0), 0), (timedelta(microseconds=1), 1), (timedelta(milliseconds=1, microseconds=1), 2)],
)
def test_a_span_is_rounded_up_and_so_never_ends_early(span: timedelta, duration_ms: int) -> None:
    assert to_marker(Sleep(span)) == SleepRequest(duration_ms=duration_ms)


def test_a_timeout_of_no_time_is_not_a_wait_for_ever() -> None:
    assert to_marker(Approval(timeout=timedelta(0))) == ApprovalRequest(approval_type="manual", timeout_ms=1)
    assert to_marker(SignalWait("paid", timedelta(0))) == SignalRequest(name="paid", timeout_ms=1)


def test_a_result_without_a_marker_has_none() -> None:
    assert read_marker(TaskResult(status=TaskStatus.SUCCESS)) is None
    with pytest.raises(DecodeError, match="status SLEEP without sleep_request"):
        read_marker(TaskResult(status=TaskStatus.SLEEP))
