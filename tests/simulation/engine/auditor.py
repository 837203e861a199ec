"""Reads raw history as a stranger would, and says what must never be.

It shares no code with the engine: the rules stand here a second time, from the events alone.
"""

from __future__ import annotations

from collections import Counter

from cerebelum_codegen.runtime import Timestamp
from cerebelum_engine import Blueprint
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.worker.worker_service_pb import Task

ENDINGS = (ev.ExecutionCompleted, ev.ExecutionFailed, ev.ExecutionCancelled)
CLOSINGS = (ev.StepCompleted, ev.StepFailed, ev.StepCancelled)
MOST_LOSSES = 10
WAITS = (ev.SleepStarted, ev.ApprovalRequested)
WAIT_ENDS = (ev.SleepEnded, ev.ApprovalGranted, ev.ApprovalRejected, ev.ApprovalExpired)


class Broken(AssertionError):
    """An invariant does not hold."""


def audit(blueprint: Blueprint, history: list[ev.Event]) -> None:
    """Check everything that holds for every prefix of a history."""
    _versions_are_gapless(history)
    _nothing_follows_an_ending(history)
    _one_result_a_step(history)
    _stages_in_order(blueprint, history)
    _no_timer_early(history)
    _tries_within_policy(blueprint, history)
    _only_the_current_task_counts(history)
    _every_wait_ends_once(history)
    _a_no_reaches_who_can_take_it(history)
    _a_cancellation_lets_only_its_steps_answer(history)
    _a_dead_letter_is_earned_and_stays_one(history)
    _the_ending_is_earned(blueprint, history)


def audit_task(blueprint: Blueprint, history: list[ev.Event], task: Task) -> None:
    """Check a task at the moment it is handed out."""
    results = _results(history)
    _require(not _paused(history), f"task of '{task.step_name}' while it is paused")
    _require(_cancellation(history) is None, f"task of '{task.step_name}' while it is cancelled")
    _require(task.step_name not in _dead(history), f"task of '{task.step_name}', which is a dead letter")
    for name in _earlier(blueprint, task.step_name):
        _require(name in results, f"task of '{task.step_name}' before '{name}' had its result")
    _require(task.step_name not in _closed(history), f"task of '{task.step_name}' after its result")
    wanted = {name: results[name] for name in blueprint.steps[task.step_name].depends_on}
    _require(task.arguments == wanted, f"task of '{task.step_name}' has arguments {task.arguments}")
    ends = [fact for fact in _facts_of(history, task.step_name) if isinstance(fact, WAIT_ENDS)]
    kinds = [type(marker.outcome).__name__ for marker in task.satisfied_markers]
    _require(kinds == [_MARKER_OF[type(end)] for end in ends], f"'{task.step_name}' resumes with {kinds}")
    tries = [f for f in _facts_of(history, task.step_name) if isinstance(f, _TRIES)]
    _require(task.attempt == 1 + len(tries), f"'{task.step_name}' is at try {task.attempt}")


_MARKER_OF = {
    ev.SleepEnded: "SleepElapsed",
    ev.ApprovalGranted: "ApprovalDecision",
    ev.ApprovalRejected: "ApprovalDecision",
    ev.ApprovalExpired: "ApprovalTimeout",
}


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise Broken(message)


_TRIES = (ev.AttemptFailed, ev.AttemptLost, ev.StepDeadLettered)
_REOPENINGS = (ev.ExecutionRetried, ev.ExecutionForked)


def _facts_of(history: list[ev.Event], step: str) -> list[ev.Event_Fact]:
    """The facts of a step's current visit."""
    facts: list[ev.Event_Fact] = []
    for event in history:
        if isinstance(event.fact, _REOPENINGS):
            facts = [] if any(isinstance(fact, ev.StepFailed) for fact in facts) else facts
        elif event.fact is not None and getattr(event.fact, "step", None) == step:
            facts.append(event.fact)
    return facts


def _steps_of(history: list[ev.Event]) -> list[str]:
    return list(dict.fromkeys(step for event in history if (step := getattr(event.fact, "step", ""))))


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


def _results(history: list[ev.Event]) -> dict[str, object]:
    return {e.fact.step: e.fact.output for e in history if isinstance(e.fact, ev.StepCompleted)}


def _closed(history: list[ev.Event]) -> set[str]:
    steps = _steps_of(history)
    return {step for step in steps if any(isinstance(fact, CLOSINGS) for fact in _facts_of(history, step))}


def _earlier(blueprint: Blueprint, step: str) -> list[str]:
    number = next(n for n, stage in enumerate(blueprint.stages) if step in stage)
    return [name for stage in blueprint.stages[:number] for name in stage]


def _versions_are_gapless(history: list[ev.Event]) -> None:
    versions = [event.version for event in history]
    _require(versions == list(range(1, len(history) + 1)), f"versions are {versions}")


def _nothing_follows_an_ending(history: list[ev.Event]) -> None:
    over: ev.Event_Fact | None = None
    for event in history:
        if isinstance(event.fact, ev.ExecutionRetried):
            _require(isinstance(over, ev.ExecutionFailed), "something was retried that had not failed")
            over = None
        moved = isinstance(event.fact, ev.ExecutionMigrated) and isinstance(over, ev.ExecutionFailed)
        _require(over is None or moved, f"something follows {type(over).__name__}")
        over = event.fact if isinstance(event.fact, ENDINGS) else over


def _one_result_a_step(history: list[ev.Event]) -> None:
    for step in _steps_of(history):
        count = sum(isinstance(fact, CLOSINGS) for fact in _facts_of(history, step))
        _require(count <= 1, f"'{step}' has {count} results")
    completions = Counter(event.fact.step for event in history if isinstance(event.fact, ev.StepCompleted))
    for step, count in completions.items():
        _require(count == 1, f"'{step}' completed {count} times")


def _stages_in_order(blueprint: Blueprint, history: list[ev.Event]) -> None:
    done: set[str] = set()
    for event in history:
        step = getattr(event.fact, "step", "")
        if step and not isinstance(event.fact, ENDINGS):
            missing = [name for name in _earlier(blueprint, step) if name not in done]
            _require(not missing, f"'{step}' moved before {missing} succeeded")
        if isinstance(event.fact, ev.StepCompleted):
            done.add(event.fact.step)


def _no_timer_early(history: list[ev.Event]) -> None:
    due: dict[str, object] = {}
    for event in history:
        match event.fact:
            case ev.SleepStarted(step=step, due_at=at) | ev.ApprovalRequested(step=step, expires_at=at):
                due[step] = at
            case ev.AttemptFailed(step=step, retry_at=at):
                due[step] = at
            case ev.SleepEnded(step=step) | ev.ApprovalExpired(step=step) | ev.RetryDue(step=step):
                at = due.pop(step, None)
                _require(at is not None, f"a timer of '{step}' fired that was not armed")
                _require(at <= event.recorded_at, f"a timer of '{step}' fired early")
            case ev.ExecutionFailed(step="", failure=failure) if failure and failure.kind == "deadline_exceeded":
                deadline = _deadline(history, event.version)
                _require(deadline is not None and deadline <= event.recorded_at, "the deadline came early")
            case _:
                pass


def _deadline(history: list[ev.Event], before: int) -> Timestamp | None:
    kinds = (ev.ExecutionStarted, *_REOPENINGS)
    return next((e.fact.deadline for e in reversed(history[: before - 1]) if isinstance(e.fact, kinds)), None)


def _tries_within_policy(blueprint: Blueprint, history: list[ev.Event]) -> None:
    moved = any(isinstance(event.fact, ev.ExecutionMigrated) for event in history)
    for step in () if moved else _steps_of(history):  # another blueprint may have another policy
        count = sum(isinstance(fact, ev.AttemptFailed) for fact in _facts_of(history, step))
        most = (blueprint.steps[step].retry.max_attempts or 1) - 1
        _require(count <= most, f"'{step}' was retried {count} times, its policy allows {most}")
    for event in history:
        if isinstance(event.fact, ev.AttemptFailed) and event.fact.failure:
            failure = event.fact.failure
            _require(not failure.non_retryable, f"'{event.fact.step}' was retried after a final failure")
            _require(failure.error is None, f"'{event.fact.step}' was retried after a decision")


def _only_the_current_task_counts(history: list[ev.Event]) -> None:
    tries, waits, visits, failed = Counter[str](), Counter[str](), Counter[str](), set[str]()
    for event in history:
        if isinstance(event.fact, _REOPENINGS):
            for step in failed:
                visits[step], tries[step], waits[step] = visits[step] + 1, 0, 0
            failed.clear()
            continue
        task_id = getattr(event.fact, "task_id", "")
        step = getattr(event.fact, "step", "")
        current = f"{step}/{1 + visits[step]}.{1 + tries[step]}.{waits[step]}"
        told = task_id.partition("/")[2]  # a fork keeps the task ids of its origin
        _require(told in ("", current), f"{type(event.fact).__name__} of {task_id}, current is {current}")
        tries[step] += isinstance(event.fact, _TRIES)
        waits[step] += isinstance(event.fact, WAIT_ENDS)
        if isinstance(event.fact, ev.StepFailed):
            failed.add(step)


def _every_wait_ends_once(history: list[ev.Event]) -> None:
    waiting: set[str] = set()
    for event in history:
        fact = event.fact
        if isinstance(fact, WAITS):
            _require(fact.step not in waiting, f"'{fact.step}' waits twice at once")
            waiting.add(fact.step)
        elif isinstance(fact, WAIT_ENDS):
            _require(fact.step in waiting, f"a wait of '{fact.step}' ended that had not begun")
            waiting.remove(fact.step)
        elif isinstance(fact, CLOSINGS):
            _require(fact.step not in waiting, f"'{fact.step}' got its result while it waited")


def _a_no_reaches_who_can_take_it(history: list[ev.Event]) -> None:
    resumable: dict[str, bool] = {}
    for event, after in zip(history, [*history[1:], ev.Event()], strict=True):
        if isinstance(event.fact, ev.ApprovalRequested):
            resumable[event.fact.step] = event.fact.resumable
        if isinstance(event.fact, ev.ApprovalRejected | ev.ApprovalExpired):
            step = event.fact.step
            fails = isinstance(after.fact, ev.StepFailed) and after.fact.step == step and not after.fact.task_id
            _require(fails is not resumable[step], f"the no to '{step}' {'failed it' if fails else 'was lost'}")


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
            case ev.SleepStarted(step=step, due_at=at) | ev.ApprovalRequested(step=step, expires_at=at) if at:
                due[step] = at
            case ev.AttemptFailed(step=step, retry_at=at) if at:
                due[step] = at
            case (
                ev.SleepEnded(step=step)
                | ev.ApprovalExpired(step=step)
                | ev.ApprovalGranted(step=step)
                | ev.ApprovalRejected(step=step)
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
    _require(asked.steps != [], "a cancellation waits for nothing")
    place = next(number for number, event in enumerate(history) if event.fact is asked)
    answered: set[str] = set()
    for event in history[place + 1 :]:
        match event.fact:
            case ev.StepCompleted(step=step) | ev.StepCancelled(step=step):
                _require(step in asked.steps, f"'{step}' answered a cancellation that had not asked it")
                answered.add(step)
            case ev.ExecutionCancelled(forced=forced):
                at, until = event.recorded_at, asked.cleanup_until
                late = at is not None and until is not None and until <= at
                _require(forced or late or answered == set(asked.steps), "a cancellation ended before its steps did")
            case fact:
                raise Broken(f"{type(fact).__name__} follows a cancellation")
    over = isinstance(_last(history), ENDINGS)
    _require(over or answered != set(asked.steps), "a cancellation goes on after its steps have answered")


def _a_dead_letter_is_earned_and_stays_one(history: list[ev.Event]) -> None:
    losses: Counter[str] = Counter()
    dead: set[str] = set()
    for event in history:
        fact = event.fact
        step = getattr(fact, "step", "")
        if isinstance(fact, ev.AttemptLost | ev.StepDeadLettered):
            losses[step] += 1
            is_dead = isinstance(fact, ev.StepDeadLettered)
            _require(is_dead == (losses[step] == MOST_LOSSES), f"{type(fact).__name__} after {losses[step]} losses")
        if isinstance(fact, ev.StepRedriven):
            _require(step in dead, f"'{step}' was redriven and was no dead letter")
            dead.discard(step)
            losses[step] = 0
        elif not isinstance(fact, ENDINGS):
            _require(step not in dead, f"{type(fact).__name__} of '{step}', which is a dead letter")
        if isinstance(fact, ev.StepDeadLettered):
            dead.add(step)
        if isinstance(fact, ev.StepFailed):
            losses[step] = 0


def _last(history: list[ev.Event]) -> ev.Event_Fact | None:
    """The last fact, but for a move to another blueprint, which changes nothing."""
    return next((event.fact for event in reversed(history) if not isinstance(event.fact, ev.ExecutionMigrated)), None)


def _the_ending_is_earned(blueprint: Blueprint, history: list[ev.Event]) -> None:
    results, closed = _results(history), _closed(history)
    failed = [n for n in blueprint.steps if n in closed and n not in results]
    if _cancellation(history) is not None:
        return
    match last := _last(history):
        case ev.ExecutionCompleted(result_steps=names):
            _require(results.keys() == blueprint.steps.keys(), "it completed without all results")
            _require(tuple(names) == blueprint.stages[-1], f"its results are those of {names}")
        case ev.ExecutionFailed(step=step) if step:
            stage = next(stage for stage in blueprint.stages if step in stage)
            _require(all(name in closed for name in stage), f"it failed while siblings of '{step}' ran")
            _require(step == failed[0], f"'{step}' was blamed, '{failed[0]}' failed first in order")
        case _:
            over = failed and all(name in closed for stage in blueprint.stages if failed[0] in stage for name in stage)
            _require(not over or isinstance(last, ENDINGS), "its stage is over and it goes on")
            everything = results.keys() == blueprint.steps.keys()
            _require(not everything or isinstance(last, ENDINGS), "all is done and it goes on")
