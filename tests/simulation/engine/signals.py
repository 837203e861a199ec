"""Signals in random worlds: how somebody sends them, and what must hold of them, read from the history alone."""

from __future__ import annotations

import random

from cerebelum_engine import AwaitSignal, SendSignal, State, pending
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.worker.worker_service_pb import SatisfiedMarker, Signal
from tests.simulation.engine.answers import SIGNALS, payload
from tests.simulation.engine.model import require

_CLOSINGS = (ev.StepCompleted, ev.StepFailed, ev.StepCancelled)
_ENDINGS = (ev.ExecutionCompleted, ev.ExecutionFailed, ev.ExecutionCancelled)


def is_signalled(seed: int) -> bool:
    """Whether somebody sends signals in a world. Asked apart, so that the other worlds stay as they were."""
    return random.Random(f"{seed} signals").random() < 0.4


def drawn_signal(dice: random.Random, state: State, *, calm: bool) -> SendSignal | None:
    """What somebody sends: a new signal, one that was sent before, or another one under its id. Often nothing.

    In a calm world it is a new one, and something waits for it.
    """
    awaited = [effect.name for effect in pending(state) if isinstance(effect, AwaitSignal)]
    if (calm and not awaited) or (not calm and dice.random() < (0.3 if awaited else 0.8)):
        return None
    name = dice.choice(awaited) if calm else dice.choice(SIGNALS)
    sent = [] if calm else [signal_id for signal_id, known in state.signal_ids.items() if known == name]
    new = f"{name} {dice.randint(1, 10**9)}" if dice.random() < 0.9 else "taken"
    signal_id = dice.choice(sent) if sent and dice.random() < 0.4 else new
    return SendSignal(signal_id=signal_id, name=name, payload=payload(signal_id), sent_by="ada")


def audit_signals(history: list[ev.Event]) -> None:
    """Each signal is recorded once, and given once: the first that came to the wait that began first."""
    post = _Post()
    for event in history:
        post.hear(event.fact)
    meeting = None if post.over else post.meeting()
    require(meeting is None, f"{meeting} wait for each other")


def audit_given(history: list[ev.Event], step: str, consumed: list[str], markers: list[SatisfiedMarker]) -> None:
    """A step goes on with the very signals that it has consumed in this visit."""
    sent = {event.fact.signal_id: event.fact for event in history if isinstance(event.fact, ev.SignalReceived)}
    given = [marker.outcome for marker in markers if isinstance(marker.outcome, Signal)]
    require([each.signal_id for each in given] == consumed, f"'{step}' goes on with {given}, not with {consumed}")
    for each in given:
        same = (each.name, each.payload) == (sent[each.signal_id].name, sent[each.signal_id].payload)
        require(same, f"'{step}' goes on with {each}, which was sent as {sent[each.signal_id]}")


class _Post:
    """The signals that are kept, and the waits for them, in their order."""

    def __init__(self) -> None:
        self.kept: list[ev.SignalReceived] = []
        self.waits: list[ev.SignalAwaited] = []
        self.ids: set[str] = set()
        self.over = False

    def meeting(self) -> tuple[ev.SignalAwaited, ev.SignalReceived] | None:
        """The first wait for which there is a signal, and the first of its signals."""
        pairs = ((wait, signal) for wait in self.waits for signal in self.kept if signal.name == wait.name)
        return next(pairs, None)

    def hear(self, fact: ev.Event_Fact | None) -> None:
        self.over = isinstance(fact, _ENDINGS) or (self.over and isinstance(fact, ev.ExecutionMigrated))
        match fact:
            case ev.SignalReceived(signal_id=signal_id):
                require(signal_id not in self.ids, f"signal {signal_id} was recorded twice")
                self.ids.add(signal_id)
                self.kept.append(fact)
            case ev.SignalAwaited():
                self.waits.append(fact)
            case ev.SignalConsumed(step=step, signal_id=signal_id):
                due = self.meeting()
                right = due is not None and (due[0].step, due[1].signal_id) == (step, signal_id)
                require(right, f"'{step}' got signal {signal_id}, where {due} was due")
                self.kept = [each for each in self.kept if each.signal_id != signal_id]
                self.leave(step)
            case ev.SignalWaitExpired(step=step):
                self.leave(step)
            case _ if isinstance(fact, _CLOSINGS):
                self.leave(fact.step)
            case _:
                pass

    def leave(self, step: str) -> None:
        self.waits = [each for each in self.waits if each.step != step]
