"""Reads raw history as a stranger would, and says what must never be.

It shares no code with the engine: the rules stand here a second time, from the events alone.
"""

from __future__ import annotations

from collections import Counter

from cerebelum_codegen.runtime import Timestamp
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.types.v1.types_pb import Payload, RetryPolicy
from cerebelum_proto.worker import worker_service_pb as pb
from cerebelum_proto.worker.worker_service_pb import Task
from tests.simulation.engine.model import Broken, Model, require
from tests.simulation.engine.signals import audit_given, audit_signals
from tests.simulation.engine.tree import given

ENDINGS = (ev.ExecutionCompleted, ev.ExecutionFailed, ev.ExecutionCancelled)
CLOSINGS = (ev.StepCompleted, ev.StepFailed, ev.StepCancelled)
MOST_LOSSES = 10
WAITS = (ev.SleepStarted, ev.ApprovalRequested, ev.SignalAwaited)
WAIT_ENDS = (
    ev.SleepEnded,
    ev.ApprovalGranted,
    ev.ApprovalRejected,
    ev.ApprovalExpired,
    ev.SignalConsumed,
    ev.SignalWaitExpired,
)


def audit(definition: pb.WorkflowDefinition, history: list[ev.Event]) -> None:
    """Check everything that holds for every prefix of a history."""
    _versions_are_gapless(history)
    _nothing_follows_an_ending(history)
    _no_timer_early(history)
    _tries_within_policy(definition, history)
    _only_the_current_task_counts(history)
    _every_wait_ends_once(history)
    _a_no_reaches_who_can_take_it(history)
    _a_cancellation_lets_only_its_steps_answer(history)
    _a_dead_letter_is_earned_and_stays_one(history)
    audit_signals(history)


def audit_task(definition: pb.WorkflowDefinition, model: Model, history: list[ev.Event], task: Task) -> None:
    """Check a task at the moment it is handed out."""
    name = task.step_name
    require(not _paused(history), f"task of '{name}' while it is paused")
    require(_cancellation(history) is None, f"task of '{name}' while it is cancelled")
    require(name not in _dead(history), f"task of '{name}', which is a dead letter")
    require(name in model.open_steps(), f"task of '{name}', which is not under way: {model.open_steps()}")
    step = next(step for step in definition.timeline if step.name == name)
    wanted = {each: model.kept[each].output for each in step.depends_on if each in model.kept}
    require(task.arguments == wanted, f"task of '{name}' has arguments {task.arguments}, not {wanted}")
    facts = _facts_of(history, name)
    ends = [fact for fact in facts if isinstance(fact, WAIT_ENDS)]
    kinds = [type(marker.outcome).__name__ for marker in task.satisfied_markers]
    require(kinds == [_MARKER_OF[type(end)] for end in ends], f"'{name}' resumes with {kinds}")
    consumed = [end.signal_id for end in ends if isinstance(end, ev.SignalConsumed)]
    audit_given(history, name, consumed, task.satisfied_markers)
    tries = [fact for fact in facts if isinstance(fact, (*_TRIES, ev.ExecutionRetried))]
    require(task.attempt == 1 + len(tries), f"'{name}' is at try {task.attempt}")
    memos: dict[str, Payload | None] = {}
    for fact in facts:
        if isinstance(fact, ev.MemoRecorded):
            require(fact.key not in memos, f"'{name}' has kept two values for '{fact.key}'")
            memos[fact.key] = fact.value
    require(task.memos == memos, f"'{name}' finds {task.memos}, it has kept {memos}")
    visit = task.task_id.rsplit("/", 1)[1].split(".")[0]
    require(visit == str(model.visits[name]), f"'{name}' is at visit {visit}, it has had {model.visits[name]}")


_MARKER_OF = {
    ev.SleepEnded: "SleepElapsed",
    ev.ApprovalGranted: "ApprovalDecision",
    ev.ApprovalRejected: "ApprovalDecision",
    ev.ApprovalExpired: "ApprovalTimeout",
    ev.SignalConsumed: "Signal",
    ev.SignalWaitExpired: "SignalTimeout",
}


_TRIES = (ev.AttemptFailed, ev.AttemptLost, ev.StepDeadLettered)
_REOPENINGS = (ev.ExecutionRetried, ev.ExecutionForked)


def _facts_of(history: list[ev.Event], step: str) -> list[ev.Event_Fact]:
    """The facts of a step's current visit: since its last result."""
    facts: list[ev.Event_Fact] = []
    for event in history:
        if event.fact is not None and getattr(event.fact, "step", None) == step and not isinstance(event.fact, ENDINGS):
            facts = [] if isinstance(event.fact, CLOSINGS) else [*facts, event.fact]
        elif isinstance(event.fact, ev.ExecutionRetried) and step in event.fact.cut_off:
            facts.append(event.fact)
    return facts


def _paused(history: list[ev.Event]) -> bool:
    turns = (ev.ExecutionPaused, ev.ExecutionResumed, *_REOPENINGS)
    last = next((event.fact for event in reversed(history) if isinstance(event.fact, turns)), None)
    return isinstance(last, ev.ExecutionPaused)


def _cancellation(history: list[ev.Event]) -> ev.CancellationRequested | None:
    return next((event.fact for event in history if isinstance(event.fact, ev.CancellationRequested)), None)


def _dead(history: list[ev.Event]) -> set[str]:
    dead: set[str] = set()
    for event in history:
        if isinstance(event.fact, ev.StepDeadLettered):
            dead.add(event.fact.step)
        elif isinstance(event.fact, ev.StepRedriven):
            dead.discard(event.fact.step)
    return dead


def _versions_are_gapless(history: list[ev.Event]) -> None:
    versions = [event.version for event in history]
    require(versions == list(range(1, len(history) + 1)), f"versions are {versions}")


def _nothing_follows_an_ending(history: list[ev.Event]) -> None:
    over: ev.Event_Fact | None = None
    for event in history:
        if isinstance(event.fact, ev.ExecutionRetried):
            require(isinstance(over, ev.ExecutionFailed), "something was retried that had not failed")
            over = None
        moved = isinstance(event.fact, ev.ExecutionMigrated) and isinstance(over, ev.ExecutionFailed)
        require(over is None or moved, f"something follows {type(over).__name__}")
        over = event.fact if isinstance(event.fact, ENDINGS) else over


def _no_timer_early(history: list[ev.Event]) -> None:
    due: dict[str, Timestamp | None] = {}
    for event in history:
        match event.fact:
            case ev.SleepStarted(step=step, due_at=at) | ev.AttemptFailed(step=step, retry_at=at):
                due[step] = at
            case ev.ApprovalRequested(step=step, expires_at=at) | ev.SignalAwaited(step=step, expires_at=at):
                due[step] = at
            case (
                ev.SleepEnded(step=step)
                | ev.ApprovalExpired(step=step)
                | ev.SignalWaitExpired(step=step)
                | ev.RetryDue(step=step)
            ):
                armed = given(due.pop(step, None), f"a timer of '{step}' fired that was not armed")
                require(armed <= _time_of(event), f"a timer of '{step}' fired early")
            case ev.ApprovalGranted(step=step) | ev.ApprovalRejected(step=step) | ev.SignalConsumed(step=step):
                due.pop(step, None)
            case ev.ExecutionFailed(step="", failure=failure) if failure and failure.kind == "deadline_exceeded":
                deadline = _deadline(history, event.version)
                require(deadline is not None and deadline <= _time_of(event), "the deadline came early")
            case _:
                pass


def _time_of(event: ev.Event) -> Timestamp:
    return given(event.recorded_at, f"event {event.version} has no time")


def _deadline(history: list[ev.Event], before: int) -> Timestamp | None:
    kinds = (ev.ExecutionStarted, *_REOPENINGS)
    return next((e.fact.deadline for e in reversed(history[: before - 1]) if isinstance(e.fact, kinds)), None)


def _tries_within_policy(definition: pb.WorkflowDefinition, history: list[ev.Event]) -> None:
    moved = any(isinstance(event.fact, ev.ExecutionMigrated) for event in history)
    policies = {step.name: (step.retry or RetryPolicy()).max_attempts or 1 for step in definition.timeline}
    failures: Counter[str] = Counter()
    for event in () if moved else history:  # another blueprint may have another policy
        if isinstance(event.fact, ev.AttemptFailed):
            step = event.fact.step
            failures[step] += 1
            require(failures[step] < policies[step], f"'{step}' was retried {failures[step]} times")
        elif isinstance(event.fact, CLOSINGS):
            failures.pop(event.fact.step, None)
    for event in history:
        if isinstance(event.fact, ev.AttemptFailed) and event.fact.failure:
            failure = event.fact.failure
            require(not failure.non_retryable, f"'{event.fact.step}' was retried after a final failure")
            require(failure.error is None, f"'{event.fact.step}' was retried after a decision")


def _only_the_current_task_counts(history: list[ev.Event]) -> None:
    tries, waits, results = Counter[str](), Counter[str](), set[str]()
    for event in history:
        task_id = getattr(event.fact, "task_id", "")
        step = getattr(event.fact, "step", "")
        current = f"{1 + tries[step]}.{waits[step]}"
        told = task_id.partition(".")[2]
        require(told in ("", current), f"{type(event.fact).__name__} of {task_id}, current is {current}")
        tries[step] += isinstance(event.fact, _TRIES)
        tries.update(event.fact.cut_off if isinstance(event.fact, ev.ExecutionRetried) else ())
        waits[step] += isinstance(event.fact, WAIT_ENDS)
        if isinstance(event.fact, CLOSINGS):
            require(not task_id or task_id not in results, f"{task_id} has two results")
            results.add(task_id)
            tries[step] = waits[step] = 0


def _every_wait_ends_once(history: list[ev.Event]) -> None:
    waiting: set[str] = set()
    for event in history:
        fact = event.fact
        if isinstance(fact, WAITS):
            require(fact.step not in waiting, f"'{fact.step}' waits twice at once")
            waiting.add(fact.step)
        elif isinstance(fact, WAIT_ENDS):
            require(fact.step in waiting, f"a wait of '{fact.step}' ended that had not begun")
            waiting.remove(fact.step)
        elif isinstance(fact, CLOSINGS):
            require(fact.step not in waiting, f"'{fact.step}' got its result while it waited")


def _a_no_reaches_who_can_take_it(history: list[ev.Event]) -> None:
    resumable: dict[str, bool] = {}
    for event, after in zip(history, [*history[1:], ev.Event()], strict=True):
        if isinstance(event.fact, ev.ApprovalRequested):
            resumable[event.fact.step] = event.fact.resumable
        if isinstance(event.fact, ev.ApprovalRejected | ev.ApprovalExpired):
            step = event.fact.step
            fails = isinstance(after.fact, ev.StepFailed) and after.fact.step == step and not after.fact.task_id
            require(fails is not resumable[step], f"the no to '{step}' {'failed it' if fails else 'was lost'}")


def overdue(history: list[ev.Event], now: Timestamp) -> list[str]:
    """What should have happened by now and has not, by the history alone."""
    due: dict[str, Timestamp] = {}
    if isinstance(_last(history), ENDINGS):
        return []
    for event in history:
        match event.fact:
            case ev.ExecutionStarted(deadline=at) | ev.ExecutionRetried(deadline=at) | ev.ExecutionForked(deadline=at):
                due.pop("the deadline", None)
                if at:
                    due["the deadline"] = at
            case ev.CancellationRequested(cleanup_until=at) if at:
                due = {"the cleanup": at}
            case ev.SleepStarted(step=step, due_at=at) | ev.AttemptFailed(step=step, retry_at=at) if at:
                due[step] = at
            case ev.ApprovalRequested(step=step, expires_at=at) | ev.SignalAwaited(step=step, expires_at=at) if at:
                due[step] = at
            case (
                ev.SleepEnded(step=step)
                | ev.ApprovalExpired(step=step)
                | ev.ApprovalGranted(step=step)
                | ev.ApprovalRejected(step=step)
                | ev.SignalConsumed(step=step)
                | ev.SignalWaitExpired(step=step)
                | ev.RetryDue(step=step)
            ):
                due.pop(step, None)
            case _:
                pass
    return [what for what, at in due.items() if at <= now]


def _a_cancellation_lets_only_its_steps_answer(history: list[ev.Event]) -> None:
    asked = _cancellation(history)
    if asked is None:
        return
    require(asked.steps != [], "a cancellation waits for nothing")
    place = next(number for number, event in enumerate(history) if event.fact is asked)
    answered: set[str] = set()
    for event in history[place + 1 :]:
        match event.fact:
            case ev.StepCompleted(step=step) | ev.StepCancelled(step=step):
                require(step in asked.steps, f"'{step}' answered a cancellation that had not asked it")
                answered.add(step)
            case ev.MemoRecorded(step=step):
                require(step in asked.steps and step not in answered, f"'{step}' keeps a value and was not asked")
            case ev.ExecutionCancelled(forced=forced):
                at, until = event.recorded_at, asked.cleanup_until
                late = at is not None and until is not None and until <= at
                require(forced or late or answered == set(asked.steps), "a cancellation ended before its steps did")
            case fact:
                raise Broken(f"{type(fact).__name__} follows a cancellation")
    over = isinstance(_last(history), ENDINGS)
    require(over or answered != set(asked.steps), "a cancellation goes on after its steps have answered")


def _a_dead_letter_is_earned_and_stays_one(history: list[ev.Event]) -> None:
    losses: Counter[str] = Counter()
    dead: set[str] = set()
    for event in history:
        fact = event.fact
        step = getattr(fact, "step", "")
        if isinstance(fact, ev.AttemptLost | ev.StepDeadLettered):
            losses[step] += 1
            is_dead = isinstance(fact, ev.StepDeadLettered)
            require(is_dead == (losses[step] == MOST_LOSSES), f"{type(fact).__name__} after {losses[step]} losses")
        if isinstance(fact, ev.StepRedriven):
            require(step in dead, f"'{step}' was redriven and was no dead letter")
            dead.discard(step)
            losses[step] = 0
        elif not isinstance(fact, ENDINGS):
            require(step not in dead, f"{type(fact).__name__} of '{step}', which is a dead letter")
        if isinstance(fact, ev.StepDeadLettered):
            dead.add(step)
        if isinstance(fact, CLOSINGS):
            losses[step] = 0


def _last(history: list[ev.Event]) -> ev.Event_Fact | None:
    """The last fact, but for a move to another blueprint, which changes nothing."""
    return next((event.fact for event in reversed(history) if not isinstance(event.fact, ev.ExecutionMigrated)), None)


__all__ = ["ENDINGS", "Broken", "audit", "audit_task", "overdue"]
