"""Signals: kept in the order in which they come, and each given to the first wait for its name, never to two.

No state that an execution rests in has both: a signal that is kept, and a step that waits for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine import commands as cmd
from cerebelum_engine.commands import Reason, Rejected
from cerebelum_engine.phase import Phase
from cerebelum_engine.state import State
from cerebelum_engine.times import after
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.types.v1.types_pb import Failure, Payload
from cerebelum_proto.worker.worker_service_pb import Signal, SignalRequest

MOST_KEPT = 1_000
"""An execution keeps no more signals than this that nothing has waited for."""
REMEMBERED = 10_000
"""So many signal ids are known again, the last ones."""


# -- deciding --------------------------------------------------------------------------------


def receive(state: State, command: cmd.SendSignal) -> Sequence[ev.Event_Fact] | Rejected:
    """The fact that a signal came; none when it had come before."""
    before = state.signal_ids.get(command.signal_id)
    if before == command.name:
        return ()
    if (fault := _fault(state, command, before)) is not None:
        return fault
    return (
        ev.SignalReceived(
            signal_id=command.signal_id, name=command.name, payload=command.payload, sent_by=command.sent_by
        ),
    )


def _fault(state: State, command: cmd.SendSignal, before: str | None) -> Rejected | None:
    execution = f"execution {state.execution_id!r}"
    if state.ended:
        word = state.status.name.removeprefix("EXECUTION_").lower()
        return Rejected(Reason.ENDED, f"{execution} has ended ({word})")
    if state.cancelling is not None:
        return Rejected(Reason.CANCELLING, f"{execution} is being cancelled")
    if not command.signal_id:
        return Rejected(Reason.INVALID, "the signal has no id: its sender, or the edge, chooses one")
    if (unknown := _unknown(state, command.name)) is not None:
        return Rejected(Reason.INVALID, unknown)
    if before is not None:
        return Rejected(
            Reason.ALREADY_EXISTS, f"signal id {command.signal_id!r} is that of a signal {before!r}: choose another id"
        )
    if len(state.signals) >= MOST_KEPT:
        return Rejected(
            Reason.EXHAUSTED,
            f"{execution} keeps {MOST_KEPT} signals that nothing has waited for, which is the most: "
            f"send {command.name!r} again when it has taken some",
        )
    return None


def _unknown(state: State, name: str) -> str | None:
    """Why the workflow has no signal of this name; None when it has."""
    known = state.blueprint.signals
    if name and (not known or name in known):
        return None
    names = f": it takes {', '.join(known)}" if known else ""
    what = f"has no signal {name!r}" if name else "has no signal without a name"
    return f"workflow {state.blueprint.workflow!r} {what}{names}"


def wait(
    state: State, step: str, task: cmd.RecordResult, request: SignalRequest, now: Timestamp
) -> ev.SignalAwaited | ev.StepFailed:
    """The fact that a step waits for a signal; of one that can never come, that it has failed."""
    if (unknown := _unknown(state, request.name)) is not None:
        failure = Failure(kind="unknown_signal", message=unknown, non_retryable=True)
        return ev.StepFailed(
            step=step, task_id=task.task_id, worker_id=task.worker_id, started_at=task.started_at, failure=failure
        )
    return ev.SignalAwaited(
        step=step,
        task_id=task.task_id,
        worker_id=task.worker_id,
        name=request.name,
        timeout_ms=max(0, request.timeout_ms),
        expires_at=after(now, request.timeout_ms) if request.timeout_ms > 0 else None,
    )


def deliveries(state: State) -> Iterator[ev.SignalConsumed]:
    """Which waits get which signals: the wait that began first, the signal that came first."""
    left = list(state.signals)
    for name in _waiting(state) if left else ():
        wanted = state.steps[name].waiting_for
        signal = next(
            (each for each in left if isinstance(wanted, ev.SignalAwaited) and each.name == wanted.name), None
        )
        if signal is not None:
            left.remove(signal)
            yield ev.SignalConsumed(step=name, name=signal.name, signal_id=signal.signal_id)


def _waiting(state: State) -> list[str]:
    """The steps that wait for a signal, in the order in which they began to."""
    waiting = [name for name in state.open if state.steps[name].phase is Phase.AWAITING_SIGNAL]
    return sorted(waiting, key=lambda name: state.steps[name].waiting_from)


# -- evolving: total and silent --------------------------------------------------------------


def keep(state: State, fact: ev.SignalReceived, at: Timestamp) -> None:
    """Keep a signal that came. The state is the caller's own copy."""
    signal = Signal(
        signal_id=fact.signal_id,
        name=fact.name,
        payload=fact.payload or Payload(),
        sent_by=fact.sent_by,
        received_at=at,
    )
    state.signals = (*state.signals, signal)
    state.signal_ids = {**state.signal_ids, fact.signal_id: fact.name}
    if len(state.signal_ids) > REMEMBERED:
        state.signal_ids.pop(next(iter(state.signal_ids)))


def take(state: State, signal_id: str) -> Signal | None:
    """Take a kept signal out; None when it is not there. The state is the caller's own copy."""
    taken = next((each for each in state.signals if each.signal_id == signal_id), None)
    if taken is not None:
        state.signals = tuple(each for each in state.signals if each is not taken)
    return taken
