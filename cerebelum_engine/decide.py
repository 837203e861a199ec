"""`decide`: the events that a command leads to, or why it leads to none. Only here is argued."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias, assert_never

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine import commands as cmd
from cerebelum_engine.commands import Command, Reason, Rejected, Wish
from cerebelum_engine.evolve import evolve, reconstruct
from cerebelum_engine.lifecycle import cancelled, clean_up_over, fork, retry, steer
from cerebelum_engine.phase import Phase
from cerebelum_engine.policies import retry_faults
from cerebelum_engine.queues import DEFAULT_QUEUE, queue_fault
from cerebelum_engine.results import record, record_loss, record_memo, record_timeout
from cerebelum_engine.routing import choose
from cerebelum_engine.signals import deliveries, receive
from cerebelum_engine.state import State
from cerebelum_engine.times import after, reached
from cerebelum_engine.visit import StepState
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.types.v1.types_pb import Failure, Payload
from cerebelum_proto.worker.worker_service_pb import Predicates

Ruled: TypeAlias = ev.StepCompleted | ev.StepFailed
"""What the rules of a step look at."""


def decide(state: State, command: Command, now: Timestamp) -> tuple[ev.Event, ...] | Rejected:
    """What a command makes happen. An empty tuple: it had happened before, and nothing is left to do."""
    carried = carry_out(state, command, now)
    return carried if isinstance(carried, Rejected) else carried[0]


def carry_out(state: State, command: Command, now: Timestamp) -> tuple[tuple[ev.Event, ...], State] | Rejected:
    """What a command makes happen, and the state that it leads to: `decide` and `evolve` in one pass."""
    if isinstance(command, cmd.Fork):
        begun = fork(state, command, now)
        if isinstance(begun, Rejected):
            return begun
        # What had followed in its origin follows here as well: the step may have been visited too often.
        forked = reconstruct(state, begun)
        due = _consequence(forked) if forked.running else ()
        after, state = _recorded(forked, command.execution_id, due, now)
        return (*begun, *after), state
    facts = _facts(state, command, now)
    if isinstance(facts, Rejected):
        return facts
    execution_id = command.execution_id if isinstance(command, cmd.StartExecution) else state.execution_id
    predicates = command.predicates if isinstance(command, cmd.RecordResult) else None
    routed = [_routed(state, fact, predicates) for fact in facts] if state.blueprint.rules else facts
    return _recorded(state, execution_id, routed, now)


def _facts(state: State, command: Wish, now: Timestamp) -> Sequence[ev.Event_Fact] | Rejected:
    if isinstance(command, cmd.StartExecution):
        return _start(state, command, now)
    if state.started is None:
        return Rejected(Reason.NOT_STARTED, "the execution has not started")
    match command:
        case cmd.RecordResult():
            return record(state, command, now)
        case cmd.RecordMemo() | cmd.LoseTask() | cmd.TimeOutTask():
            return _task_facts(state, command, now)
        case cmd.Retry():
            return retry(state, command, now)
        case cmd.SendSignal():
            return receive(state, command)
        case cmd.Migrate() if state.failed:
            return steer(state, command, now)
        case _ if state.ended:
            return Rejected(Reason.ENDED, f"execution {state.execution_id!r} has ended ({_status(state)})")
        case cmd.FireTimers():
            return _fire(state, now) if state.cancelling is None else clean_up_over(state, now)
        case cmd.Approve() | cmd.Reject():
            return _answer(state, command)
        case _:
            return steer(state, command, now)


def _task_facts(
    state: State, command: cmd.RecordMemo | cmd.LoseTask | cmd.TimeOutTask, now: Timestamp
) -> Sequence[ev.Event_Fact] | Rejected:
    match command:
        case cmd.RecordMemo():
            return record_memo(state, command)
        case cmd.LoseTask():
            return record_loss(state, command)
        case cmd.TimeOutTask():
            return record_timeout(state, command, now)
        case _:
            assert_never(command)


def _recorded(
    state: State, execution_id: str, facts: Sequence[ev.Event_Fact], now: Timestamp
) -> tuple[tuple[ev.Event, ...], State]:
    """Number the facts, and add what follows from them: a signal that meets its wait, a step visited too often,
    the end of the execution."""
    events: list[ev.Event] = []
    while facts:
        for fact in facts:
            event = ev.Event(execution_id=execution_id, version=state.version + 1, recorded_at=now, fact=fact)
            events.append(event)
            state = evolve(state, event)
        facts = _consequence(state) if state.running else ()
    return tuple(events), state


def _routed(state: State, fact: ev.Event_Fact, predicates: Predicates | None) -> ev.Event_Fact:
    """An outcome with what the rules of its step make of it."""
    if not isinstance(fact, Ruled) or fact.step not in state.blueprint.rules:
        return fact
    if state.cancelling is not None:
        return fact
    came_out = fact.output or Payload() if isinstance(fact, ev.StepCompleted) else fact.failure or Failure()
    fact.route = choose(state, fact.step, came_out, predicates or Predicates())  # nobody else has seen the fact yet
    return fact


def _consequence(state: State) -> Sequence[ev.Event_Fact]:
    if state.cancelling is not None:
        over = cancelled(state)
        return (over,) if over is not None else ()
    if state.ending is not None and state.ending.failure is not None:
        return (ev.ExecutionFailed(step=state.ending.step, failure=state.ending.failure),)
    if state.ending is not None:
        return (ev.ExecutionCompleted(result_steps=list(state.ending.result_steps)),)
    too_many = _visited_too_often(state) if state.steps.most_visits > state.blueprint.max_visits else ()
    return [*deliveries(state), *too_many] if state.signals else too_many


def _visited_too_often(state: State) -> Sequence[ev.Event_Fact]:
    most = state.blueprint.max_visits
    return [
        _final(name, "too_many_visits", f"rules led to it more than {most} times: they may never end")
        for name in state.open
        if state.steps[name].visit > most
    ]


def _start(state: State, command: cmd.StartExecution, now: Timestamp) -> Sequence[ev.Event_Fact] | Rejected:
    if state.started is not None:
        same = state.started.workflow == command.workflow and state.started.inputs == command.inputs
        if same:
            return ()
        return Rejected(
            Reason.ALREADY_EXISTS,
            f"execution {command.execution_id!r} exists with another workflow or other inputs: choose another id",
        )
    if faults := list(_start_faults(state, command)):
        return Rejected(Reason.INVALID, "; ".join(faults))
    return (
        ev.ExecutionStarted(
            workflow=state.blueprint.workflow,
            blueprint_hash=state.blueprint.hash,
            inputs=command.inputs,
            correlation_id=command.correlation_id,
            tags=list(command.tags),
            deadline=after(now, command.timeout_ms) if command.timeout_ms else None,
            queue=command.queue,
            retries=dict(command.retries),
        ),
    )


def _start_faults(state: State, command: cmd.StartExecution) -> Iterator[str]:
    if command.timeout_ms < 0:
        yield f"timeout_ms is {command.timeout_ms}; it cannot be negative"
    for step, policy in command.retries.items():
        if step not in state.blueprint.steps:
            yield f"retries of {step!r}, which is no step of workflow {state.blueprint.workflow!r}"
        yield from (f"retries of step {step!r}: {fault}" for fault in retry_faults(policy))
    if command.queue and (fault := queue_fault(command.queue)):
        yield fault
    elif state.blueprint.foreign and command.queue not in ("", DEFAULT_QUEUE):
        yield (
            f"the steps of workflow {state.blueprint.workflow!r} run on deployed workers, which serve queue "
            f"'{DEFAULT_QUEUE}' only: leave out queue {command.queue!r}"
        )


def _fire(state: State, now: Timestamp) -> Sequence[ev.Event_Fact] | Rejected:
    if reached(state.deadline, now):
        failure = Failure(
            kind="deadline_exceeded",
            message="the execution did not end before its deadline",
            non_retryable=True,
        )
        return (ev.ExecutionFailed(failure=failure),)
    due = [name for name in state.open if reached(state.steps[name].due_at, now)]
    facts = [fact for name in due for fact in _timer_facts(name, state.steps[name])]
    return facts or Rejected(Reason.NOT_DUE, "no timer of this execution is due")


def _timer_facts(name: str, step: StepState) -> Iterator[ev.Event_Fact]:
    match step.waiting_for:
        case None:
            yield ev.RetryDue(step=name)
        case ev.SleepStarted(output=output):
            yield ev.SleepEnded(step=name)
            if output is not None:
                yield ev.StepCompleted(step=name, output=output)
        case ev.ApprovalRequested(resumable=resumable):
            yield ev.ApprovalExpired(step=name)
            if not resumable:
                yield _final(name, "approval_timeout", "nobody decided in time")
        case ev.SignalAwaited(name=signal):
            yield ev.SignalWaitExpired(step=name, name=signal)
        case _:
            assert_never(step.waiting_for)


def _answer(state: State, command: cmd.Approve | cmd.Reject) -> Sequence[ev.Event_Fact] | Rejected:
    if state.cancelling is not None:
        return Rejected(Reason.CANCELLING, f"execution {state.execution_id!r} is being cancelled")
    waiting = [name for name in state.open if state.steps[name].phase is Phase.AWAITING_APPROVAL]
    named = [name for name in waiting if command.step in ("", name)]
    if not named:
        what = f"step {command.step!r}" if command.step else f"execution {state.execution_id!r}"
        return Rejected(Reason.NOT_WAITING, f"{what} is not waiting for approval")
    asking = [name for name in named if command.task_id in ("", _asker(state.steps[name]))]
    if not asking:
        return Rejected(
            Reason.STALE,
            f"the question of task {command.task_id!r} waits no more: decide what is asked now by {', '.join(named)}",
        )
    if len(asking) > 1:
        return Rejected(Reason.AMBIGUOUS, f"several steps wait for approval; name one of {', '.join(asking)}")
    return tuple(_answer_facts(asking[0], state.steps[asking[0]], command))


def _asker(step: StepState) -> str:
    """The task that asked what the step waits for."""
    return step.waiting_for.task_id if step.waiting_for is not None else ""


def _answer_facts(name: str, step: StepState, command: cmd.Approve | cmd.Reject) -> Iterator[ev.Event_Fact]:
    match command:
        case cmd.Approve(response=response, decided_by=who):
            yield ev.ApprovalGranted(step=name, decided_by=who, response=response or Payload())
        case cmd.Reject(reason=reason, decided_by=who):
            yield ev.ApprovalRejected(step=name, decided_by=who, reason=reason)
            if isinstance(step.waiting_for, ev.ApprovalRequested) and not step.waiting_for.resumable:
                yield _final(name, "approval_rejected", reason or "the approval was rejected")
        case _:
            assert_never(command)


def _final(name: str, kind: str, message: str) -> ev.StepFailed:
    return ev.StepFailed(step=name, failure=Failure(kind=kind, message=message, non_retryable=True))


def _status(state: State) -> str:
    return state.status.name.removeprefix("EXECUTION_").lower()
