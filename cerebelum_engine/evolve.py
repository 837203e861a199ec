"""`evolve`: what an event makes of a state. History is never argued with: total and silent."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import assert_never

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine.lifecycle_facts import LifecycleFact, turned
from cerebelum_engine.moves import begun, moved
from cerebelum_engine.replacing import replace
from cerebelum_engine.rules import FAIL
from cerebelum_engine.state import Phase, State, StepState
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.types.v1.types_pb import Failure, Payload
from cerebelum_proto.worker.worker_service_pb import (
    ApprovalDecision,
    ApprovalTimeout,
    ExecutionState,
    SatisfiedMarker,
    SleepElapsed,
)


def reconstruct(state: State, history: Iterable[ev.Event]) -> State:
    """Fold a history onto a state."""
    return reduce(evolve, history, state)


def evolve(state: State, event: ev.Event) -> State:
    """The state after one more event. An event that means nothing here only counts."""
    at = event.recorded_at or Timestamp()
    counted = replace(state, version=event.version)
    fact = event.fact
    if isinstance(fact, LifecycleFact):
        return turned(counted, fact, at)
    match fact:
        case ev.ExecutionStarted():
            return _started(counted, event.execution_id, fact, at)
        case ev.ExecutionCompleted(result_steps=names):
            return replace(counted, status=ExecutionState.EXECUTION_COMPLETED, ended_at=at, result_steps=tuple(names))
        case ev.ExecutionFailed(step=step, failure=failure):
            return replace(
                counted,
                status=ExecutionState.EXECUTION_FAILED,
                ended_at=at,
                failed_step=step,
                failure=failure,
            )
        case ev.ExecutionCancelled(reason=reason):
            return replace(
                counted,
                status=ExecutionState.EXECUTION_CANCELLED,
                ended_at=at,
                failure=Failure(kind="cancelled", message=reason),
            )
        case None:
            return counted
        case _:
            return _step_evolved(counted, fact, at)


StepFact = (
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
    | ev.MemoRecorded
)


def _started(state: State, execution_id: str, fact: ev.ExecutionStarted, at: Timestamp) -> State:
    running = replace(
        state,
        execution_id=execution_id,
        status=ExecutionState.EXECUTION_RUNNING,
        started=fact,
        started_at=at,
        deadline=fact.deadline,
    )
    return begun(running, at)


def _step_evolved(state: State, fact: StepFact, at: Timestamp) -> State:
    step = state.steps.get(fact.step)
    if step is None or not step.phase.open:
        return state
    after = replace(state, steps={**state.steps, fact.step: _apply(step, fact, at)})
    if not isinstance(fact, ev.StepCompleted | ev.StepFailed | ev.StepCancelled):
        return after
    if state.cancelling is not None or isinstance(fact, ev.StepCancelled):
        return replace(after, open=tuple(name for name in after.open if name != fact.step))
    return moved(_routed(after, fact), fact.step, at)


def _routed(state: State, fact: ev.StepCompleted | ev.StepFailed) -> State:
    """Keep where the rules of a step lead from its outcome."""
    chosen, rules = fact.route, state.blueprint.rules.get(fact.step)
    if chosen is None or rules is None:
        return state
    if chosen.failure is not None:
        step = replace(state.steps[fact.step], route=FAIL, failure=chosen.failure)
    else:
        cases = rules.diverge if chosen.rule is ev.RuleKind.RULE_KIND_DIVERGE else rules.branch
        case = next(iter(cases[chosen.choice : chosen.choice + 1]), None)
        step = replace(state.steps[fact.step], route=case.route if case else None)
    return replace(state, steps={**state.steps, fact.step: step})


def _apply(step: StepState, fact: StepFact, at: Timestamp) -> StepState:
    match fact:
        case ev.StepCompleted(output=output):
            return replace(_heard(step, fact), phase=Phase.COMPLETED, output=output, ended_at=at)
        case ev.StepFailed(failure=failure):
            return replace(_heard(step, fact), phase=Phase.FAILED, failure=failure, ended_at=at)
        case ev.AttemptFailed(failure=failure, retry_at=retry_at):
            return replace(
                _heard(step, fact),
                phase=Phase.RETRYING,
                failures=step.failures + 1,
                failure=failure,
                due_at=retry_at,
            )
        case ev.StepCancelled(failure=failure):
            return replace(_heard(step, fact), phase=Phase.CANCELLED, failure=failure, ended_at=at)
        case ev.AttemptLost():
            return replace(step, losses=step.losses + 1, last_worker_id="", ready_at=at)
        case ev.StepDeadLettered(failure=failure):
            return replace(step, phase=Phase.DEAD_LETTERED, losses=step.losses + 1, last_worker_id="", failure=failure)
        case ev.StepRedriven():
            return replace(step, phase=Phase.READY, forgiven=step.losses, ready_at=at)
        case ev.RetryDue():
            return replace(step, phase=Phase.READY, due_at=None, ready_at=at)
        case ev.MemoRecorded(key=key, value=value):
            return replace(step, memos={**step.memos, key: value or Payload()})
        case ev.SleepStarted() | ev.ApprovalRequested():
            return _suspended(step, fact, at)
        case ev.SleepEnded() | ev.ApprovalGranted() | ev.ApprovalRejected() | ev.ApprovalExpired():
            return _resumed(step, _satisfied(step, fact, at), at)
        case _:
            assert_never(fact)


def _heard(step: StepState, fact: ev.StepCompleted | ev.StepFailed | ev.AttemptFailed | ev.StepCancelled) -> StepState:
    began = None if isinstance(fact, ev.StepCancelled) else fact.started_at
    return replace(
        step,
        due_at=None,
        waiting_since=None,
        waiting_for=None,
        started_at=step.started_at or began,
        last_task_id=fact.task_id or step.last_task_id,
        last_worker_id=fact.worker_id or step.last_worker_id,
    )


def _suspended(step: StepState, fact: ev.SleepStarted | ev.ApprovalRequested, at: Timestamp) -> StepState:
    sleeping = isinstance(fact, ev.SleepStarted)
    return replace(
        step,
        phase=Phase.SLEEPING if sleeping else Phase.AWAITING_APPROVAL,
        due_at=fact.due_at if isinstance(fact, ev.SleepStarted) else fact.expires_at,
        waiting_since=at,
        waiting_for=fact,
        last_task_id=fact.task_id,
        last_worker_id=fact.worker_id,
    )


def _resumed(step: StepState, marker: SatisfiedMarker, at: Timestamp) -> StepState:
    return replace(
        step,
        phase=Phase.READY,
        ready_at=at,
        markers=(*step.markers, marker),
        due_at=None,
        waiting_since=None,
        waiting_for=None,
    )


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
