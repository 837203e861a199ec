"""The events of a declared workflow as lines that a person can follow, and as JSON: messages by their fields."""

from __future__ import annotations

from dataclasses import fields

from cerebelum.declared import events as told
from cerebelum.declared.definition import Outputs
from cerebelum.results import ExecutionError
from cerebelum_cli.output import clock_text, one_line, value_of
from cerebelum_cli.timeline import describe
from cerebelum_codegen.runtime import Message
from cerebelum_proto.types.v1.types_pb import Payload


def readable(value: object) -> object:
    """What a step gave, as JSON can show it; of a group, each answer by its step."""
    match value:
        case Payload():
            return value_of(value)
        case Message():
            return value.to_dict()
        case Outputs():
            parts = {each.name: getattr(value, each.name) for each in fields(value)}
            return {name: readable(part) for name, part in parts.items() if part is not None}
        case ExecutionError():
            return {"kind": value.kind, "message": value.message, "step": value.step}
        case _:
            return value


def happening_json(event: told.Happening) -> dict[str, object]:
    """An event for scripts: its version, time, kind and members."""
    shown_first = {"version": event.version, "at": event.at.isoformat(timespec="milliseconds")}
    if isinstance(event, told.Other):
        return shown_first | {"kind": type(event.fact).__name__, "told": describe(event.fact)}
    members = {each.name: readable(getattr(event, each.name)) for each in fields(event)}
    return members | shown_first | {"kind": type(event).__name__}


def happening_words(event: told.Happening) -> str:
    """What happened, in a few words."""
    match event:
        case told.Started():
            return f"started with {shown(event.inputs)}"
        case told.Completed():
            return f"completed with {shown(event.result)}"
        case told.Failed():
            return f"failed{f' at {event.error.step}' if event.error.step else ''}: {_why(event.error)}"
        case told.Cancelled():
            return f"cancelled{_by(event.cancelled_by)}{_reason(event.reason)}"
        case told.Other():
            return describe(event.fact)
        case _:
            return _step_words(event)


def _step_words(event: told.Happening) -> str:
    match event:
        case told.StepCompleted():
            return f"{event.step}: completed with {shown(event.output)}"
        case told.StepFailed():
            return f"{event.step}: failed: {_why(event.error)}"
        case told.AttemptFailed():
            return f"{event.step}: a try failed: {_why(event.error)}"
        case told.Sleeping():
            return f"{event.step}: sleeps until {clock_text(event.until)} UTC"
        case told.ApprovalAsked():
            return f"{event.step}: asks {shown(event.question)}"
        case told.ApprovalAnswered():
            return f"{event.step}: approved{_by(event.decided_by)} with {shown(event.answer)}"
        case told.ApprovalDenied():
            return f"{event.step}: {event.approval} rejected{_by(event.decided_by)}{_reason(event.reason)}"
        case told.ApprovalExpired():
            return f"{event.step}: nobody decided {event.approval} in time"
        case _:
            return _signal_words(event)


def _signal_words(event: told.Happening) -> str:
    match event:
        case told.Signalled():
            return f"signal {event.signal}{_by(event.sent_by)} came with {shown(event.payload)}"
        case told.SignalAwaited():
            return f"{event.step}: waits for signal {event.signal}"
        case told.SignalConsumed():
            return f"{event.step}: takes signal {event.signal}"
        case told.SignalWaitExpired():
            return f"{event.step}: no signal {event.signal} came in time"
        case _:
            return type(event).__name__


def shown(value: object) -> str:
    """A message on one line."""
    return one_line(readable(value))


def _why(error: ExecutionError) -> str:
    return f"{error.kind}: {error.message}" if error.message else error.kind


def _by(who: str) -> str:
    return f" by {who}" if who else ""


def _reason(reason: str) -> str:
    return f" ({reason})" if reason else ""
