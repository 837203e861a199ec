"""The bugs that the engine's simulation must catch. One that survives means a missing invariant."""

from __future__ import annotations

from tests.simulation.engine.bugs_in_rules import MOVES, RULES
from tests.simulation.engine.bugs_in_signals import SIGNALS
from tests.simulation.planted.planting import Bug

WAITS_AND_TRIES = (
    Bug(
        "stale results are recorded",
        "cerebelum_engine.pending",
        "step.phase is READY and task_id(state.execution_id, name, step) == wanted",
        "step.phase is READY and task_id(state.execution_id, name, step)[:-3] == wanted[:-3]",
    ),
    Bug(
        "a result counts again while the step waits",
        "cerebelum_engine.pending",
        "owed = step.phase is READY and task_id",
        "owed = not step.phase.closed and task_id",
    ),
    Bug(
        "results count after the end",
        "cerebelum_engine.pending",
        "    if not state.running:\n        return None\n",
        "",
    ),
    Bug(
        "a lost try keeps its task id",
        "cerebelum_engine.evolve",
        'visit.losses += 1\n            visit.last_worker_id, visit.ready_at = "", at',
        'visit.last_worker_id, visit.ready_at = "", at',
    ),
    Bug(
        "a failed try is not counted",
        "cerebelum_engine.evolve",
        "            visit.failures += 1\n",
        "",
    ),
    Bug(
        "one try too many",
        "cerebelum_engine.policies",
        "failures >= (policy.max_attempts or 1)",
        "failures > (policy.max_attempts or 1)",
    ),
    Bug(
        "a paused execution is handed out",
        "cerebelum_engine.pending",
        "effects.append(dispatch(state, name, step, offered(state)))",
        "effects.append(dispatch(state, name, step, Handout.OFFER))",
    ),
    Bug(
        "a resume is forgotten",
        "cerebelum_engine.lifecycle_facts",
        "            state.paused, state.paused_at = None, None",
        "            state.paused_at = None",
    ),
    Bug(
        "a retry keeps the failed visit",
        "cerebelum_engine.moves",
        'walk.changes.of(name).last_task_id = ""\n',
        'walk.changes.of(name).last_task_id = ""\n        walk.changes.of(name).visit -= 1\n',
    ),
    Bug(
        "a retry begins finished steps anew",
        "cerebelum_engine.moves",
        "for name in standing if state.steps[name].phase is Phase.FAILED and _fails(state, name)]",
        "for name in state.steps if state.steps[name].phase.closed]",
    ),
    Bug(
        "a completed execution can be retried",
        "cerebelum_engine.lifecycle",
        "    if state.failure is None or not state.failed:",
        "    if state.failure is None:",
    ),
    Bug(
        "a retry forgets the deadline",
        "cerebelum_engine.lifecycle_facts",
        "            state.deadline = deadline\n            _reopen(state, at)",
        "            state.deadline = None\n            _reopen(state, at)",
    ),
    Bug(
        "a cancellation goes on handing out",
        "cerebelum_engine.pending",
        "    effects += [dispatch(state, name, step, Handout.STOP)",
        "    effects += [dispatch(state, name, step, Handout.OFFER)",
    ),
    Bug(
        "a cancellation does not wait for its steps",
        "cerebelum_engine.lifecycle",
        "    if asked is None or not all(state.steps[name].phase.closed for name in asked.steps):",
        "    if asked is None or not any(state.steps[name].phase.closed for name in asked.steps):",
    ),
    Bug(
        "a cleanup may take for ever",
        "cerebelum_engine.pending",
        "    if asked.cleanup_until is not None:\n        effects.append(ArmTimer(due_at=asked.cleanup_until))\n",
        "",
    ),
    Bug(
        "a failed cleanup is retried",
        "cerebelum_engine.results",
        "        case _ if state.cancelling is not None:\n            return (_cleaned_up(name, command),)\n",
        "",
    ),
    Bug(
        "any step may answer a cancellation",
        "cerebelum_engine.pending",
        "owing = state.open if state.cancelling is None else state.cancelling.steps",
        "owing = state.open",
    ),
    Bug(
        "a dead letter is handed out",
        "cerebelum_engine.pending",
        "        if step.phase is READY:\n            effects.append(dispatch(state, name, step, offered",
        "        if step.phase in (READY, type(READY).DEAD_LETTERED):\n"
        "            effects.append(dispatch(state, name, step, offered",
    ),
    Bug(
        "one loss too many before a dead letter",
        "cerebelum_engine.results",
        "if step.losses - step.forgiven + 1 < MAX_LOSSES",
        "if step.losses - step.forgiven < MAX_LOSSES",
    ),
    Bug(
        "a redriven step dies with its next loss",
        "cerebelum_engine.evolve",
        "visit.phase, visit.forgiven, visit.ready_at = Phase.READY, visit.losses, at",
        "visit.phase, visit.ready_at = Phase.READY, at",
    ),
    Bug(
        "a fork inherits the end of its origin",
        "cerebelum_engine.lifecycle",
        "found.untouched and state.running and state.cancelling is None",
        "found.untouched and state.cancelling is None",
    ),
    Bug(
        "a fork keeps its origin's place in history",
        "cerebelum_engine.lifecycle",
        "version=len(events) + 1, recorded_at=now, fact=forked",
        "version=version + 1, recorded_at=now, fact=forked",
    ),
    Bug(
        "a try that the end cut off goes on after a retry",
        "cerebelum_engine.lifecycle_facts",
        "            visit.losses, visit.forgiven = visit.losses + 1, visit.forgiven + 1\n",
        "",
    ),
    Bug(
        "a try that the end cut off is forgotten",
        "cerebelum_engine.lifecycle",
        "[name for name in state.open if state.steps[name].phase is Phase.READY]",
        "[]",
    ),
    Bug(
        "any blueprint will do",
        "cerebelum_engine.migration",
        "    elif replayed != replace(state, blueprint=blueprint):",
        "    elif replayed.version != state.version:",
    ),
    Bug(
        "decisions are retried",
        "cerebelum_engine.policies",
        "        or failure.error is not None\n",
        "",
    ),
    Bug(
        "final failures are retried",
        "cerebelum_engine.policies",
        "        failure.non_retryable\n        or failure.error",
        "        failure.error",
    ),
    Bug(
        "timers fire a nanosecond early",
        "cerebelum_engine.decide",
        "if reached(state.steps[name].due_at, now)",
        "if reached(state.steps[name].due_at, Timestamp.from_ns(now.to_ns() + 1))",
    ),
    Bug(
        "the deadline is forgotten",
        "cerebelum_engine.pending",
        "    if state.deadline is not None:\n        effects.append(ArmTimer(due_at=state.deadline))\n",
        "",
    ),
    Bug(
        "the deadline fires early",
        "cerebelum_engine.decide",
        "if reached(state.deadline, now)",
        "if reached(state.deadline, Timestamp.from_ns(now.to_ns() + 1))",
    ),
    Bug(
        "retries are not armed",
        "cerebelum_engine.pending",
        "    if step.due_at is not None:",
        "    if step.due_at is not None and step.waiting_for is not None:",
    ),
    Bug(
        "approvals with a timeout are not shown",
        "cerebelum_engine.pending",
        "    if isinstance(step.waiting_for, ApprovalRequested):",
        "    if isinstance(step.waiting_for, ApprovalRequested) and step.due_at is None and step.visit > 1:",
    ),
    Bug(
        "a resumed step forgets its earlier markers",
        "cerebelum_engine.evolve",
        "visit.markers = (*visit.markers, marker)",
        "visit.markers = (marker,)",
    ),
    Bug(
        "markers come back in reverse",
        "cerebelum_engine.evolve",
        "visit.markers = (*visit.markers, marker)",
        "visit.markers = (marker, *visit.markers)",
    ),
    Bug(
        "an execution moves to where an outcome would have met another rule",
        "cerebelum_engine.migration",
        "    if _where(meets) != _where(met):\n",
        "    if _where(meets) != _where(meets):\n",
    ),
    Bug(
        "a rejection looks like an expiry",
        "cerebelum_engine.evolve",
        "            decision = ApprovalDecision(approved=False, decided_by=who, decided_at=at, reason=reason)\n"
        "            return SatisfiedMarker(outcome=decision)",
        "            return SatisfiedMarker(outcome=ApprovalTimeout(expired_at=at))",
    ),
    Bug(
        "a resumed step keeps its old timer",
        "cerebelum_engine.evolve",
        "    visit.markers = (*visit.markers, marker)\n    visit.due_at = visit.waiting_since",
        "    visit.markers = (*visit.markers, marker)\n    visit.waiting_since",
    ),
    Bug(
        "a start happens twice",
        "cerebelum_engine.decide",
        "    if state.started is not None:\n        same = ",
        "    if state.ended:\n        same = ",
    ),
    Bug(
        "commands act on an ended execution",
        "cerebelum_engine.decide",
        "        case _ if state.ended:",
        "        case _ if state.ended and state.failure is None:",
    ),
    Bug(
        "versions repeat",
        "cerebelum_engine.decide",
        "version=state.version + 1, recorded_at=now, fact=fact",
        "version=state.version, recorded_at=now, fact=fact",
    ),
    Bug(
        "an unanswered approval leaves a foreign step waiting",
        "cerebelum_engine.decide",
        "            if not resumable:\n",
        "            if resumable:\n",
    ),
)

BUGS = WAITS_AND_TRIES + SIGNALS + MOVES + RULES
