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
CLOSINGS = (ev.StepCompleted, ev.StepFailed)
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
    _the_ending_is_earned(blueprint, history)


def audit_task(blueprint: Blueprint, history: list[ev.Event], task: Task) -> None:
    """Check a task at the moment it is handed out."""
    results = _results(history)
    for name in _earlier(blueprint, task.step_name):
        _require(name in results, f"task of '{task.step_name}' before '{name}' had its result")
    _require(task.step_name not in _closed(history), f"task of '{task.step_name}' after its result")
    wanted = {name: results[name] for name in blueprint.steps[task.step_name].depends_on}
    _require(task.arguments == wanted, f"task of '{task.step_name}' has arguments {task.arguments}")
    ends = [fact for fact in _facts_of(history, task.step_name) if isinstance(fact, WAIT_ENDS)]
    kinds = [type(marker.outcome).__name__ for marker in task.satisfied_markers]
    _require(kinds == [_MARKER_OF[type(end)] for end in ends], f"'{task.step_name}' resumes with {kinds}")
    tries = [f for f in _facts_of(history, task.step_name) if isinstance(f, ev.AttemptFailed | ev.AttemptLost)]
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


def _facts_of(history: list[ev.Event], step: str) -> list[ev.Event_Fact]:
    return [event.fact for event in history if event.fact is not None and getattr(event.fact, "step", None) == step]


def _results(history: list[ev.Event]) -> dict[str, object]:
    return {e.fact.step: e.fact.output for e in history if isinstance(e.fact, ev.StepCompleted)}


def _closed(history: list[ev.Event]) -> set[str]:
    return {event.fact.step for event in history if isinstance(event.fact, CLOSINGS)}


def _earlier(blueprint: Blueprint, step: str) -> list[str]:
    number = next(n for n, stage in enumerate(blueprint.stages) if step in stage)
    return [name for stage in blueprint.stages[:number] for name in stage]


def _versions_are_gapless(history: list[ev.Event]) -> None:
    versions = [event.version for event in history]
    _require(versions == list(range(1, len(history) + 1)), f"versions are {versions}")


def _nothing_follows_an_ending(history: list[ev.Event]) -> None:
    for event in history[:-1]:
        _require(not isinstance(event.fact, ENDINGS), f"something follows {type(event.fact).__name__}")


def _one_result_a_step(history: list[ev.Event]) -> None:
    counts = Counter(event.fact.step for event in history if isinstance(event.fact, CLOSINGS))
    for step, count in counts.items():
        _require(count == 1, f"'{step}' has {count} results")


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
                started = history[0].fact
                deadline = started.deadline if isinstance(started, ev.ExecutionStarted) else None
                _require(deadline is not None and deadline <= event.recorded_at, "the deadline came early")
            case _:
                pass


def _tries_within_policy(blueprint: Blueprint, history: list[ev.Event]) -> None:
    failures = Counter(e.fact.step for e in history if isinstance(e.fact, ev.AttemptFailed))
    for step, count in failures.items():
        most = (blueprint.steps[step].retry.max_attempts or 1) - 1
        _require(count <= most, f"'{step}' was retried {count} times, its policy allows {most}")
    for event in history:
        if isinstance(event.fact, ev.AttemptFailed) and event.fact.failure:
            failure = event.fact.failure
            _require(not failure.non_retryable, f"'{event.fact.step}' was retried after a final failure")
            _require(failure.error is None, f"'{event.fact.step}' was retried after a decision")


def _only_the_current_task_counts(history: list[ev.Event]) -> None:
    tries: Counter[str] = Counter()
    waits: Counter[str] = Counter()
    for event in history:
        task_id = getattr(event.fact, "task_id", "")
        step = getattr(event.fact, "step", "")
        current = f"{event.execution_id}/{step}/1.{1 + tries[step]}.{waits[step]}"
        _require(task_id in ("", current), f"{type(event.fact).__name__} of {task_id}, current is {current}")
        tries[step] += isinstance(event.fact, ev.AttemptFailed | ev.AttemptLost)
        waits[step] += isinstance(event.fact, WAIT_ENDS)


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
    for event in history:
        match event.fact:
            case ev.ExecutionStarted(deadline=at) if at:
                due["the deadline"] = at
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
            case ev.ExecutionCompleted() | ev.ExecutionFailed() | ev.ExecutionCancelled():
                due.clear()
            case _:
                pass
    return [what for what, at in due.items() if at <= now]


def _the_ending_is_earned(blueprint: Blueprint, history: list[ev.Event]) -> None:
    results, closed = _results(history), _closed(history)
    failed = [n for n in blueprint.steps if n in closed and n not in results]
    match history[-1].fact if history else None:
        case ev.ExecutionCompleted(result_steps=names):
            _require(results.keys() == blueprint.steps.keys(), "it completed without all results")
            _require(tuple(names) == blueprint.stages[-1], f"its results are those of {names}")
        case ev.ExecutionFailed(step=step) if step:
            stage = next(stage for stage in blueprint.stages if step in stage)
            _require(all(name in closed for name in stage), f"it failed while siblings of '{step}' ran")
            _require(step == failed[0], f"'{step}' was blamed, '{failed[0]}' failed first in order")
        case _:
            over = failed and all(name in closed for stage in blueprint.stages if failed[0] in stage for name in stage)
            _require(not over or isinstance(history[-1].fact, ENDINGS), "its stage is over and it goes on")
            everything = results.keys() == blueprint.steps.keys()
            _require(not everything or isinstance(history[-1].fact, ENDINGS), "all is done and it goes on")
