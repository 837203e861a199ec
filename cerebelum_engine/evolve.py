"""`evolve`: what an event makes of a state. History is never argued with: total and silent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias, assert_never

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine.lifecycle_facts import turn
from cerebelum_engine.moves import begin, move
from cerebelum_engine.phase import COMPLETED, Phase
from cerebelum_engine.rules import FAIL, Rules
from cerebelum_engine.signals import keep, take
from cerebelum_engine.state import State
from cerebelum_engine.visit import StepState
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.types.v1.types_pb import Failure, Payload
from cerebelum_proto.worker.worker_service_pb import (
    ApprovalDecision,
    ApprovalTimeout,
    ExecutionState,
    SatisfiedMarker,
    SignalTimeout,
    SleepElapsed,
)


def reconstruct(state: State, history: Iterable[ev.Event]) -> State:
    """Fold a history onto a state. One copy serves all events: nobody sees the states in between."""
    after = state.copied()
    for event in history:
        _take_in(after, event)
    return after


def evolve(state: State, event: ev.Event) -> State:
    """The state after one more event. An event that means nothing here only counts."""
    after = state.copied()
    _take_in(after, event)
    return after


def _take_in(after: State, event: ev.Event) -> None:
    at = event.recorded_at or Timestamp()
    fact = event.fact
    after.version = event.version
    if isinstance(fact, StepFact):
        _evolve_step(after, fact, at)
    elif isinstance(fact, WholeFact):
        _evolve_whole(after, event.execution_id, fact, at)
    elif fact is not None:
        turn(after, fact, at)


StepFact: TypeAlias = (
    ev.StepCompleted
    | ev.StepFailed
    | ev.AttemptFailed
    | ev.AttemptLost
    | ev.RetryDue
    | ev.StepCancelled
    | ev.StepDeadLettered
    | ev.StepRedriven
    | ev.SleepStarted
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
_ROUTED = (ev.StepCompleted, ev.StepFailed)


WholeFact: TypeAlias = (
    ev.ExecutionStarted | ev.ExecutionCompleted | ev.ExecutionFailed | ev.ExecutionCancelled | ev.SignalReceived
)


def _evolve_whole(after: State, execution_id: str, fact: WholeFact, at: Timestamp) -> None:
    match fact:
        case ev.ExecutionStarted():
            after.execution_id = execution_id
            after.status = ExecutionState.EXECUTION_RUNNING
            after.started, after.started_at, after.deadline = fact, at, fact.deadline
            after.steps = after.steps.copied()
            begin(after, at)
        case ev.ExecutionCompleted(result_steps=names):
            after.status, after.ended_at = ExecutionState.EXECUTION_COMPLETED, at
            after.result_steps = tuple(names)
        case ev.ExecutionFailed(step=step, failure=failure):
            after.status, after.ended_at = ExecutionState.EXECUTION_FAILED, at
            after.failed_step, after.failure = step, failure
        case ev.ExecutionCancelled(reason=reason):
            after.status, after.ended_at = ExecutionState.EXECUTION_CANCELLED, at
            after.failure = Failure(kind="cancelled", message=reason)
        case ev.SignalReceived():
            keep(after, fact, at)
        case _:
            assert_never(fact)


def _evolve_step(after: State, fact: StepFact, at: Timestamp) -> None:
    name = fact.step
    before = after.steps.get(name)
    if before is None or not before.phase.open:
        return
    visit = before.copied()
    if isinstance(fact, SignalFact):
        _hear_signal(after, visit, fact, at)
    else:
        _apply(visit, fact, at)
    after.steps = after.steps.copied()
    after.steps.follow(before, name, visit)
    if not visit.phase.closed:
        return
    if isinstance(fact, _ROUTED) and after.cancelling is None:
        if fact.route is not None:
            _keep_route(visit, fact.route, after.blueprint.rules.get(name))
        move(after, name, at)
    else:
        after.open = tuple(each for each in after.open if each != name)


def _keep_route(visit: StepState, chosen: ev.RouteChosen, rules: Rules | None) -> None:
    """Where the rules of a step lead from its outcome."""
    if rules is None:
        return
    if chosen.failure is not None:
        visit.route, visit.failure = FAIL, chosen.failure
        return
    cases = rules.diverge if chosen.rule is ev.RuleKind.RULE_KIND_DIVERGE else rules.branch
    case = next(iter(cases[chosen.choice : chosen.choice + 1]), None)
    visit.route = case.route if case else None


_Heard: TypeAlias = ev.StepCompleted | ev.StepFailed | ev.AttemptFailed | ev.StepCancelled
"""What a worker's answer comes to, if it is no marker."""


SignalFact: TypeAlias = ev.SignalAwaited | ev.SignalConsumed | ev.SignalWaitExpired
_OtherFact: TypeAlias = (
    _Heard
    | ev.AttemptLost
    | ev.StepDeadLettered
    | ev.StepRedriven
    | ev.RetryDue
    | ev.MemoRecorded
    | ev.SleepStarted
    | ev.SleepEnded
    | ev.ApprovalRequested
    | ev.ApprovalGranted
    | ev.ApprovalRejected
    | ev.ApprovalExpired
)


def _apply(visit: StepState, fact: _OtherFact, at: Timestamp) -> None:
    if isinstance(fact, _Heard):
        _hear(visit, fact, at)
        return
    match fact:
        case ev.AttemptLost():
            visit.losses += 1
            visit.last_worker_id, visit.ready_at = "", at
        case ev.StepDeadLettered(failure=failure):
            visit.losses += 1
            visit.phase, visit.last_worker_id, visit.failure = Phase.DEAD_LETTERED, "", failure
        case ev.StepRedriven():
            visit.phase, visit.forgiven, visit.ready_at = Phase.READY, visit.losses, at
        case ev.RetryDue():
            visit.phase, visit.due_at, visit.ready_at = Phase.READY, None, at
        case ev.MemoRecorded(key=key, value=value):
            visit.memos = {**visit.memos, key: value or Payload()}
        case ev.SleepStarted():
            _suspend(visit, fact, at)
            visit.phase, visit.due_at = Phase.SLEEPING, fact.due_at
        case ev.ApprovalRequested():
            _suspend(visit, fact, at)
            visit.phase, visit.due_at = Phase.AWAITING_APPROVAL, fact.expires_at
        case ev.SleepEnded() | ev.ApprovalGranted() | ev.ApprovalRejected() | ev.ApprovalExpired():
            _resume(visit, _satisfied(visit, fact, at), at)
        case _:
            assert_never(fact)


def _hear(visit: StepState, fact: _Heard, at: Timestamp) -> None:
    visit.due_at = visit.waiting_since = visit.waiting_for = None
    visit.last_task_id = fact.task_id or visit.last_task_id
    visit.last_worker_id = fact.worker_id or visit.last_worker_id
    if visit.started_at is None and not isinstance(fact, ev.StepCancelled):
        visit.started_at = fact.started_at
    match fact:
        case ev.StepCompleted(output=output):
            visit.phase, visit.output, visit.ended_at = COMPLETED, output, at
        case ev.StepFailed(failure=failure):
            visit.phase, visit.failure, visit.ended_at = Phase.FAILED, failure, at
        case ev.StepCancelled(failure=failure):
            visit.phase, visit.failure, visit.ended_at = Phase.CANCELLED, failure, at
        case ev.AttemptFailed(failure=failure, retry_at=retry_at):
            visit.phase, visit.failure, visit.due_at = Phase.RETRYING, failure, retry_at
            visit.failures += 1
        case _:
            assert_never(fact)


def _hear_signal(after: State, visit: StepState, fact: SignalFact, at: Timestamp) -> None:
    match fact:
        case ev.SignalAwaited():
            _suspend(visit, fact, at)
            visit.phase, visit.due_at, visit.waiting_from = Phase.AWAITING_SIGNAL, fact.expires_at, after.version
        case ev.SignalConsumed(signal_id=signal_id):
            signal = take(after, signal_id)
            if signal is not None:
                _resume(visit, SatisfiedMarker(outcome=signal), at)
        case ev.SignalWaitExpired():
            _resume(visit, SatisfiedMarker(outcome=SignalTimeout(expired_at=at)), at)
        case _:
            assert_never(fact)


def _suspend(visit: StepState, fact: ev.SleepStarted | ev.ApprovalRequested | ev.SignalAwaited, at: Timestamp) -> None:
    visit.waiting_since, visit.waiting_for = at, fact
    visit.last_task_id, visit.last_worker_id = fact.task_id, fact.worker_id


def _resume(visit: StepState, marker: SatisfiedMarker, at: Timestamp) -> None:
    visit.phase, visit.ready_at = Phase.READY, at
    visit.markers = (*visit.markers, marker)
    visit.due_at = visit.waiting_since = visit.waiting_for = None


def _satisfied(
    step: StepState,
    fact: ev.SleepEnded | ev.ApprovalGranted | ev.ApprovalRejected | ev.ApprovalExpired,
    at: Timestamp,
) -> SatisfiedMarker:
    match fact:
        case ev.SleepEnded():
            return SatisfiedMarker(outcome=SleepElapsed(due_at=step.due_at))
        case ev.ApprovalGranted(decided_by=who, response=response):
            decision = ApprovalDecision(approved=True, decided_by=who, decided_at=at, response=response)
            return SatisfiedMarker(outcome=decision)
        case ev.ApprovalRejected(decided_by=who, reason=reason):
            decision = ApprovalDecision(approved=False, decided_by=who, decided_at=at, reason=reason)
            return SatisfiedMarker(outcome=decision)
        case ev.ApprovalExpired():
            return SatisfiedMarker(outcome=ApprovalTimeout(expired_at=at))
        case _:
            assert_never(fact)
