"""A history as lines that a person can follow."""

from __future__ import annotations

from dataclasses import fields
from typing import TypeAlias, assert_never

from cerebelum_cli.output import one_line, time_text, value_of
from cerebelum_client.approvals import asked_data
from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.types.v1.types_pb import Failure, Payload

_NS_PER_MS = 1_000_000


class Timeline:
    """Turns events into lines: version, time since the start, what happened."""

    def __init__(self) -> None:
        self._started_ns: int | None = None

    def line(self, event: ev.Event) -> str:
        """The line of an event."""
        return self.note(event.recorded_at or Timestamp(), describe(event.fact), str(event.version))

    def note(self, at: Timestamp, text: str, mark: str = "") -> str:
        """A line of something that is no event."""
        self._started_ns = at.to_ns() if self._started_ns is None else self._started_ns
        return f"{mark:>4}  {elapsed(at.to_ns() - self._started_ns):>10}  {text}"


def event_json(event: ev.Event) -> dict[str, object]:
    """An event for scripts: its version, time, kind and members."""
    fact = event.fact
    members: dict[str, object] = {}
    for each in fields(fact) if fact is not None else ():
        value = getattr(fact, each.name)
        if isinstance(value, Payload):
            members[each.name] = value_of(value)
        elif isinstance(value, Timestamp):
            members[each.name] = time_text(value)
        elif isinstance(value, Failure):
            members[each.name] = {"kind": value.kind, "message": value.message}
        elif isinstance(value, ev.RouteChosen):
            members[each.name] = {"rule": value.rule.name.removeprefix("RULE_KIND_").lower(), "matched": value.matched}
        elif isinstance(fact, ev.ApprovalRequested) and each.name == "data":
            members[each.name] = asked_data(fact.data)
        elif not each.name.startswith("_"):
            members[each.name] = value
    kind = type(fact).__name__ if fact is not None else None
    return {"version": event.version, "at": time_text(event.recorded_at), "kind": kind, **members}


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
        case ev.ExecutionCancelled(reason=reason, cancelled_by=who, forced=forced):
            return f"{'terminated' if forced else 'cancelled'}{_by(who)}{_reason(reason)}"
        case ev.SignalReceived(name=name, payload=payload, sent_by=who):
            return f"signal {name}{_by(who)} came with {show(payload)}"
        case _ if isinstance(fact, _Steered):
            return _steered_words(fact)
        case _ if isinstance(fact, _Wait):
            return f"{fact.step}: {_wait_words(fact)}"
        case _:
            return f"{fact.step}: {_try_words(fact)}"


_Steered: TypeAlias = (
    ev.ExecutionPaused
    | ev.ExecutionResumed
    | ev.CancellationRequested
    | ev.ExecutionRetried
    | ev.ExecutionForked
    | ev.ExecutionMigrated
)
_Wait: TypeAlias = (
    ev.SleepStarted
    | ev.SleepEnded
    | ev.ApprovalRequested
    | ev.ApprovalGranted
    | ev.ApprovalRejected
    | ev.ApprovalExpired
    | ev.SignalAwaited
    | ev.SignalConsumed
    | ev.SignalWaitExpired
    | ev.MemoRecorded
)
_Try: TypeAlias = (
    ev.StepCompleted
    | ev.StepFailed
    | ev.StepCancelled
    | ev.AttemptFailed
    | ev.AttemptLost
    | ev.RetryDue
    | ev.StepDeadLettered
    | ev.StepRedriven
)


def _steered_words(fact: _Steered) -> str:
    match fact:
        case ev.ExecutionPaused(reason=reason, paused_by=who):
            return f"paused{_by(who)}{_reason(reason)}"
        case ev.ExecutionResumed(resumed_by=who):
            return f"resumed{_by(who)}"
        case ev.CancellationRequested(reason=reason, cancelled_by=who, steps=steps):
            return f"is to end{_by(who)}{_reason(reason)}; {', '.join(steps)} may clean up"
        case ev.ExecutionRetried(retried_by=who, steps=steps):
            return f"goes on{_by(who)}; anew: {', '.join(steps) or 'nothing'}"
        case ev.ExecutionForked(origin=origin, version=version, step=step, forked_by=who):
            return f"forked{_by(who)} from {origin} at {version}; {step} begins anew"
        case ev.ExecutionMigrated(blueprint_hash=digest, migrated_by=who):
            return f"moved{_by(who)} to blueprint {digest[:12]}"
        case _:
            assert_never(fact)


def _wait_words(fact: _Wait) -> str:
    match fact:
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
        case ev.SignalAwaited(name=name):
            return f"waits for signal {name}"
        case ev.SignalConsumed(name=name):
            return f"takes signal {name}"
        case ev.SignalWaitExpired(name=name):
            return f"no signal {name} came in time"
        case ev.MemoRecorded(key=key, value=value):
            return f"keeps {key} = {show(value)}"
        case _:
            assert_never(fact)


def _try_words(fact: _Try) -> str:
    match fact:
        case ev.StepCompleted(output=output, worker_id=worker, route=route):
            return f"completed{_by(worker)} with {show(output)}{_along(route)}"
        case ev.StepFailed(failure=failure, worker_id=worker, route=route):
            return f"failed{_by(worker)}: {_why(failure)}{_along(route)}"
        case ev.StepCancelled(worker_id=worker, failure=failure):
            return f"stopped{_by(worker)}{f'; {_why(failure)}' if failure else ''}"
        case ev.AttemptFailed(failure=failure, worker_id=worker):
            return f"a try failed{_by(worker)}: {_why(failure)}"
        case ev.AttemptLost(worker_id=worker, reason=reason):
            return f"lost its worker{f' {worker}' if worker else ''}{_reason(reason)}"
        case ev.RetryDue():
            return "tries again"
        case ev.StepDeadLettered(failure=failure):
            return f"is a dead letter: {_why(failure)}"
        case ev.StepRedriven(redriven_by=who):
            return f"redriven{_by(who)}"
        case _:
            assert_never(fact)


def show(payload: Payload | None) -> str:
    """A payload on one line, shortened."""
    if payload is None or not payload.data:
        return "nothing"
    return one_line(value_of(payload))


def _why(failure: Failure | None) -> str:
    if failure is None:
        return "for no reason told"
    return f"{failure.kind}: {failure.message}" if failure.message else failure.kind


def _along(route: ev.RouteChosen | None) -> str:
    return f", goes by '{route.matched}'" if route is not None else ""


def _by(who: str) -> str:
    return f" by {who}" if who else ""


def _reason(reason: str) -> str:
    return f" ({reason})" if reason else ""
