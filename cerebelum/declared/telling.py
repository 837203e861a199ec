"""From the facts of a history to typed events."""

from __future__ import annotations

from datetime import datetime

from cerebelum.declared import events as told
from cerebelum.declared.definition import Definition
from cerebelum.results import ExecutionError, datetime_of
from cerebelum_client import PLAIN
from cerebelum_codegen.runtime import Timestamp
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.types.v1.types_pb import Failure


def note_approval(waiting: dict[str, ev.ApprovalRequested], event: ev.Event) -> None:
    """Keep which approvals wait, by step, as of this event."""
    match event.fact:
        case ev.ApprovalRequested() as request:
            waiting[request.step] = request
        case (
            ev.ApprovalGranted(step=step)
            | ev.ApprovalRejected(step=step)
            | ev.ApprovalExpired(step=step)
            | ev.StepCompleted(step=step)
            | ev.StepFailed(step=step)
            | ev.StepCancelled(step=step)
        ):
            waiting.pop(step, None)
        case ev.ExecutionCompleted() | ev.ExecutionFailed() | ev.ExecutionCancelled():
            waiting.clear()
        case _:
            pass


class Telling:
    """Tells one history, event by event, from its first on."""

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._outputs: dict[str, object] = {}
        self._asked: dict[str, ev.ApprovalRequested] = {}

    def tell(self, event: ev.Event) -> told.Happening:
        """The typed event; `Other` for what has no type of its own."""
        version, at = event.version, (event.recorded_at or Timestamp()).to_datetime()
        fact = event.fact
        known = self._step(fact, version, at) or self._approval(fact, version, at) or self._signal(fact, version, at)
        note_approval(self._asked, event)
        if known is not None:
            return known
        match event.fact:
            case ev.ExecutionStarted(inputs=inputs):
                read = PLAIN.read(inputs, self._definition.inputs)
                return told.Started(version=version, at=at, inputs=read)
            case ev.ExecutionCompleted(result_steps=names):
                result = self._definition.result_of(self._outputs, names)
                return told.Completed(version=version, at=at, result=result)
            case ev.ExecutionFailed(step=step, failure=failure):
                return told.Failed(version=version, at=at, error=_error(failure, step))
            case ev.ExecutionCancelled(cancelled_by=by, reason=reason):
                return told.Cancelled(version=version, at=at, cancelled_by=by, reason=reason)
            case _:
                return told.Other(version=version, at=at, fact=event.fact)

    def _step(self, fact: ev.Event_Fact | None, version: int, at: datetime) -> told.Happening | None:
        match fact:
            case ev.StepCompleted(step=name, output=payload):
                step = self._definition.step(name)
                self._outputs[name] = self._definition.read(name, payload)
                if step is None:
                    return None
                return step.completed(version=version, at=at, step=name, output=self._outputs[name])
            case ev.StepFailed(step=name, failure=failure):
                self._outputs.pop(name, None)
                return told.StepFailed(version=version, at=at, step=name, error=_error(failure, name))
            case ev.AttemptFailed(step=name, failure=failure, retry_at=retry_at):
                error, again = _error(failure, name), datetime_of(retry_at)
                return told.AttemptFailed(version=version, at=at, step=name, error=error, retry_at=again)
            case ev.SleepStarted(step=name, due_at=due_at):
                return told.Sleeping(version=version, at=at, step=name, until=datetime_of(due_at))
            case _:
                return None

    def _approval(self, fact: ev.Event_Fact | None, version: int, at: datetime) -> told.Happening | None:
        match fact:
            case ev.ApprovalRequested(step=step, approval_type=name, data=data, expires_at=expires_at):
                kind = self._definition.approval(name)
                if kind is None:
                    return None
                question = kind.request.from_dict(data or {}, ignore_unknown=True)
                until = datetime_of(expires_at)
                return kind.asked(version=version, at=at, step=step, question=question, expires_at=until)
            case ev.ApprovalGranted(step=step, decided_by=by, response=response):
                kind = self._definition.approval(self._name(step))
                if kind is None:
                    return None
                answer = PLAIN.read(response, kind.response)
                return kind.answered(version=version, at=at, step=step, answer=answer, decided_by=by)
            case ev.ApprovalRejected(step=step, decided_by=by, reason=reason):
                approval = self._name(step)
                return told.ApprovalDenied(
                    version=version, at=at, step=step, approval=approval, decided_by=by, reason=reason
                )
            case ev.ApprovalExpired(step=step):
                return told.ApprovalExpired(version=version, at=at, step=step, approval=self._name(step))
            case _:
                return None

    def _signal(self, fact: ev.Event_Fact | None, version: int, at: datetime) -> told.Happening | None:
        match fact:
            case ev.SignalReceived(signal_id=signal_id, name=name, payload=payload, sent_by=by):
                kind = self._definition.signal(name)
                if kind is None:
                    return None
                read = PLAIN.read(payload, kind.request)
                return kind.signalled(
                    version=version, at=at, signal=name, signal_id=signal_id, payload=read, sent_by=by
                )
            case ev.SignalAwaited(step=step, name=name, expires_at=expires_at):
                until = datetime_of(expires_at)
                return told.SignalAwaited(version=version, at=at, step=step, signal=name, expires_at=until)
            case ev.SignalConsumed(step=step, name=name, signal_id=signal_id):
                return told.SignalConsumed(version=version, at=at, step=step, signal=name, signal_id=signal_id)
            case ev.SignalWaitExpired(step=step, name=name):
                return told.SignalWaitExpired(version=version, at=at, step=step, signal=name)
            case _:
                return None

    def _name(self, step: str) -> str:
        asked = self._asked.get(step)
        return asked.approval_type if asked is not None else ""


def _error(failure: Failure | None, step: str) -> ExecutionError:
    found = failure or Failure()
    return ExecutionError(
        kind=found.kind,
        message=found.message,
        step=step,
        reason=PLAIN.read(found.error) if found.error is not None else None,
        stacktrace=found.stacktrace,
    )
