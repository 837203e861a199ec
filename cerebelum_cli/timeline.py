"""A history as lines that a person can follow."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import assert_never

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.types.v1.types_pb import Failure, Payload

_NS_PER_MS = 1_000_000
_WIDTH = 60


def timeline(history: Iterable[ev.Event]) -> Iterator[str]:
    """One line an event: its version, the time since the start, and what happened."""
    started_ns: int | None = None
    for event in history:
        at_ns = (event.recorded_at or Timestamp()).to_ns()
        started_ns = at_ns if started_ns is None else started_ns
        yield f"{event.version:>4}  {elapsed(at_ns - started_ns):>10}  {describe(event.fact)}"


def elapsed(duration_ns: int) -> str:
    """A duration in the unit that suits it: `+85 ms`, `+3.2 s`, `+2 d 04:10`."""
    duration_ms = duration_ns // _NS_PER_MS
    if duration_ms < 1_000:
        return f"+{duration_ms} ms"
    if duration_ms < 60_000:
        return f"+{duration_ms / 1_000:.1f} s"
    minutes, seconds = divmod(duration_ms // 1_000, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"+{days} d {hours:02}:{minutes:02}"
    return f"+{hours}:{minutes:02}:{seconds:02}"


def describe(fact: ev.Event_Fact | None) -> str:
    """What happened, in a few words."""
    match fact:
        case None:
            return "something that this version does not know"
        case ev.ExecutionStarted(workflow=workflow, inputs=inputs):
            return f"started {workflow} with {show(inputs)}"
        case ev.ExecutionCompleted():
            return "completed"
        case ev.ExecutionFailed(step=step, failure=failure):
            return f"failed{f' at {step}' if step else ''}: {_why(failure)}"
        case ev.ExecutionCancelled(reason=reason, cancelled_by=who):
            return f"cancelled{_by(who)}{_reason(reason)}"
        case _:
            return f"{fact.step}: {_step_words(fact)}"


def _step_words(
    fact: ev.StepCompleted
    | ev.StepFailed
    | ev.AttemptFailed
    | ev.AttemptLost
    | ev.RetryDue
    | ev.SleepStarted
    | ev.SleepEnded
    | ev.ApprovalRequested
    | ev.ApprovalGranted
    | ev.ApprovalRejected
    | ev.ApprovalExpired,
) -> str:
    match fact:
        case ev.StepCompleted(output=output, worker_id=worker):
            return f"completed{_by(worker)} with {show(output)}"
        case ev.StepFailed(failure=failure, worker_id=worker):
            return f"failed{_by(worker)}: {_why(failure)}"
        case ev.AttemptFailed(failure=failure, worker_id=worker):
            return f"a try failed{_by(worker)}: {_why(failure)}"
        case ev.AttemptLost(worker_id=worker, reason=reason):
            return f"lost its worker{f' {worker}' if worker else ''}{_reason(reason)}"
        case ev.RetryDue():
            return "tries again"
        case ev.SleepStarted(duration_ms=duration_ms):
            return f"sleeps {elapsed(duration_ms * _NS_PER_MS)[1:]}"
        case ev.SleepEnded():
            return "wakes up"
        case ev.ApprovalRequested(approval_type=kind):
            return f"asks for approval ({kind})"
        case ev.ApprovalGranted(decided_by=who, response=response):
            return f"approved{_by(who)} with {show(response)}"
        case ev.ApprovalRejected(decided_by=who, reason=reason):
            return f"rejected{_by(who)}{_reason(reason)}"
        case ev.ApprovalExpired():
            return "nobody decided in time"
        case _:
            assert_never(fact)


def show(payload: Payload | None) -> str:
    """A payload on one line, shortened."""
    if payload is None or not payload.data:
        return "nothing"
    if not payload.encoding.startswith("json"):
        return f"{len(payload.data)} bytes of {payload.encoding}"
    text = json.dumps(json.loads(payload.data), ensure_ascii=False)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def _why(failure: Failure | None) -> str:
    if failure is None:
        return "for no reason told"
    return f"{failure.kind}: {failure.message}" if failure.message else failure.kind


def _by(who: str) -> str:
    return f" by {who}" if who else ""


def _reason(reason: str) -> str:
    return f" ({reason})" if reason else ""
