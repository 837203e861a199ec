"""The bugs that the engine's simulation must catch. One that survives means a missing invariant."""

from __future__ import annotations

import sys

from tests.simulation.planted.planting import Bug, plant

WAITS_AND_TRIES = (
    Bug(
        "stale results are recorded",
        "cerebelum_engine.results",
        "step.phase is Phase.READY and task_id(state.execution_id, name, step) == wanted",
        "step.phase is Phase.READY and task_id(state.execution_id, name, step)[:-3] == wanted[:-3]",
    ),
    Bug(
        "a result counts again while the step waits",
        "cerebelum_engine.results",
        "if step.phase is Phase.READY and task_id",
        "if not step.phase.closed and task_id",
    ),
    Bug(
        "results count after the end",
        "cerebelum_engine.results",
        "    if not state.running:\n        return None\n",
        "",
    ),
    Bug(
        "a lost try keeps its task id",
        "cerebelum_engine.evolve",
        'losses=step.losses + 1, last_worker_id="", ready_at=at',
        'losses=step.losses, last_worker_id="", ready_at=at',
    ),
    Bug(
        "a failed try is not counted",
        "cerebelum_engine.evolve",
        "failures=step.failures + 1,",
        "failures=step.failures,",
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
        "Handout.KEEP if state.paused else Handout.OFFER",
        "Handout.OFFER",
    ),
    Bug(
        "a resume is forgotten",
        "cerebelum_engine.lifecycle_facts",
        "            return replace(state, paused=None, paused_at=None)",
        "            return replace(state, paused_at=None)",
    ),
    Bug(
        "a retry keeps the failed visit",
        "cerebelum_engine.moves",
        'self.steps[name] = replace(self.steps[name], last_task_id="")',
        'self.steps[name] = replace(self.steps[name], last_task_id="", visit=self.steps[name].visit - 1)',
    ),
    Bug(
        "a retry begins finished steps anew",
        "cerebelum_engine.moves",
        "for name in self.closed() if self.steps[name].phase is Phase.FAILED and self.is_failing(name)]",
        "for name in self.steps if self.steps[name].phase.closed]",
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
        "return _reopened(replace(state, deadline=deadline), at)",
        "return _reopened(replace(state, deadline=None), at)",
    ),
    Bug(
        "a cancellation goes on handing out",
        "cerebelum_engine.pending",
        "            yield _dispatch(state, name, Handout.STOP)",
        "            yield _dispatch(state, name, Handout.OFFER)",
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
        "    if asked.cleanup_until is not None:\n        yield ArmTimer(due_at=asked.cleanup_until)\n",
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
        "cerebelum_engine.results",
        "for name in state.open if state.cancelling is None else state.cancelling.steps:",
        "for name in state.open:",
    ),
    Bug(
        "a dead letter is handed out",
        "cerebelum_engine.pending",
        "        if step.phase is Phase.READY:\n            yield _dispatch(state, name, Handout.KEEP",
        "        if step.phase in (Phase.READY, Phase.DEAD_LETTERED):\n"
        "            yield _dispatch(state, name, Handout.KEEP",
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
        "forgiven=step.losses, ready_at=at",
        "ready_at=at",
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
        "any blueprint will do",
        "cerebelum_engine.migration",
        "    if replayed == replace(state, blueprint=blueprint):",
        "    if replayed.version == state.version:",
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
        "step.due_at is not None and step.due_at <= now",
        "step.due_at is not None and step.due_at.to_ns() - 1 <= now.to_ns()",
    ),
    Bug(
        "the deadline is forgotten",
        "cerebelum_engine.pending",
        "    if state.deadline is not None:\n        yield ArmTimer(due_at=state.deadline)\n",
        "",
    ),
    Bug(
        "the deadline fires early",
        "cerebelum_engine.decide",
        "state.deadline is not None and state.deadline <= now",
        "state.deadline is not None and state.deadline.to_ns() - 1 <= now.to_ns()",
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
        "markers=(*step.markers, marker),",
        "markers=(marker,),",
    ),
    Bug(
        "markers come back in reverse",
        "cerebelum_engine.evolve",
        "markers=(*step.markers, marker),",
        "markers=(marker, *step.markers),",
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
        "        markers=(*step.markers, marker),\n        due_at=None,",
        "        markers=(*step.markers, marker),",
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
        "version=state.version + 1, recorded_at=now, fact=todo.pop(0)",
        "version=state.version, recorded_at=now, fact=todo.pop(0)",
    ),
    Bug(
        "an unanswered approval leaves a foreign step waiting",
        "cerebelum_engine.decide",
        "            if not resumable:\n",
        "            if resumable:\n",
    ),
)

MOVES = (
    Bug(
        "a value is kept twice",
        "cerebelum_engine.results",
        "    if command.key in state.steps[name].memos:\n        return ()\n",
        "",
    ),
    Bug(
        "a second value drives out the first",
        "cerebelum_engine.evolve",
        "memos={**step.memos, key: value or Payload()}",
        "memos={key: value or Payload()}",
    ),
    Bug(
        "a retry forgets the routes that waited",
        "cerebelum_engine.moves",
        "        self.leaving = [name for name in routes if name in taken or name not in overruled]\n",
        "        self.leaving = []\n",
    ),
    Bug(
        "a retry takes up routes that were overruled",
        "cerebelum_engine.moves",
        "if name in taken or name not in overruled]",
        "]",
    ),
    Bug(
        "a cancelled execution still begins steps",
        "cerebelum_engine.evolve",
        "if state.cancelling is not None or isinstance(fact, ev.StepCancelled):",
        "if isinstance(fact, ev.StepCancelled):",
    ),
    Bug(
        "the next stage begins with the first result",
        "cerebelum_engine.moves",
        "if not all(self.is_passed(path, each) for each in path.before[step])",
        "if path.before[step] and not any(self.is_passed(path, each) for each in path.before[step])",
    ),
    Bug(
        "a failure does not wait for its siblings",
        "cerebelum_engine.moves",
        "for each in (*self.open, *waiting[:at])",
        "for each in waiting[:at]",
    ),
    Bug(
        "the last failure in order is blamed",
        "cerebelum_engine.moves",
        "if not self.steps[name].taken), key=self.rank)",
        "if not self.steps[name].taken), key=self.rank, reverse=True)",
    ),
    Bug(
        "siblings begin while a failure waits",
        "cerebelum_engine.moves",
        "return any(self.affects(name, path, step) for name in self.leaving)",
        "return False",
    ),
    Bug(
        "a rule that counts no more holds on",
        "cerebelum_engine.moves",
        "if e == name or not self.affects(name, self.path(e), e)",
        "if e",
    ),
    Bug(
        "what is held is forgotten",
        "cerebelum_engine.moves",
        "                self.forget(step)\n        self.enter_all()",
        "                self.forget(step)\n        self.enter(frame, target)",
    ),
    Bug(
        "a visit is not counted",
        "cerebelum_engine.moves",
        "visit=before.visit + 1 if before else 1",
        "visit=1",
    ),
    Bug(
        "one visit too few",
        "cerebelum_engine.decide",
        "if state.steps[name].visit > most",
        "if state.steps[name].visit >= most",
    ),
    Bug(
        "back_to keeps what comes after its target",
        "cerebelum_engine.moves",
        "frame.downstream(target) | {target}, self.route(name).path",
        "frozenset({target}), self.route(name).path",
    ),
    Bug(
        "a forgotten result is still handed on",
        "cerebelum_engine.moves",
        "            last_task_id=visit.last_task_id,\n        )\n\n    def enter_all",
        "            last_task_id=visit.last_task_id,\n            output=visit.output,\n        )\n"
        "\n    def enter_all",
    ),
    Bug(
        "skip_to passes over nothing",
        "cerebelum_engine.moves",
        "        for step in before:\n            self.pass_over(frame, step)\n",
        "",
    ),
    Bug(
        "a path that is taken again begins where it was",
        "cerebelum_engine.moves",
        "if self.is_over(step, route.path)]:",
        "if not route.path]:",
    ),
    Bug(
        "what a path did for the step that it goes back to is lost",
        "cerebelum_engine.moves",
        "if lead in after and not self.is_over(step, over):",
        "if lead in after:",
    ),
    Bug(
        "a path is over with its first end",
        "cerebelum_engine.moves",
        "if all(self.is_passed(path, end) for end in path.ends):",
        "if not path.after[name]:",
    ),
    Bug(
        "a path's result is the branching step's",
        "cerebelum_engine.moves",
        "            return self.results(step.route.path)\n",
        "            pass\n",
    ),
    Bug(
        "an end is the end of the timeline",
        "cerebelum_engine.moves",
        "results = self.results(route.path) if route.path else tuple(self.result(name))",
        "results = self.results(self.blueprint.timeline)",
    ),
    Bug(
        "a failure that a rule lets pass counts all the same",
        "cerebelum_engine.moves",
        "return step.route or (PROCEED if step.phase is Phase.COMPLETED else FAIL)",
        "return step.route if step.route and step.output else PROCEED if step.phase is Phase.COMPLETED else FAIL",
    ),
)
RULES = (
    Bug(
        "the last pattern counts",
        "cerebelum_engine.routing",
        "for at, case in enumerate(rules.diverge):",
        "for at, case in reversed(list(enumerate(rules.diverge))):",
    ),
    Bug(
        "ok stands for anything",
        "cerebelum_engine.routing",
        "if pattern in (OK, ERROR):",
        "if pattern == OK:\n        return True\n    if pattern == ERROR:",
    ),
    Bug(
        "a mapping must be the whole of it",
        "cerebelum_engine.routing",
        "return holds_all(value, wanted)",
        "return value == wanted",
    ),
    Bug(
        "an exception is known by its kind only",
        "cerebelum_engine.routing",
        "return (outcome.kind, outcome.message)",
        "return (outcome.kind,)",
    ),
    Bug(
        "a branch asks before the step's own value is there",
        "cerebelum_engine.routing",
        "    payloads[step] = output\n",
        "    payloads.setdefault(step, Payload())\n",
    ),
    Bug(
        "only the first condition is asked",
        "cerebelum_engine.routing",
        "for at, case in enumerate(branch):",
        "for at, case in enumerate(branch[:1]):",
    ),
    Bug(
        "a path of a diverge rule returns",
        "cerebelum_engine.rules",
        "onward=Onward.END if _is_diverge(id_) else Onward.PROCEED",
        "onward=Onward.PROCEED",
    ),
    Bug(
        "a path of a branch does not return",
        "cerebelum_engine.rules",
        "onward=Onward.END if _is_diverge(id_) else Onward.PROCEED",
        "onward=Onward.END",
    ),
    Bug(
        "a step that is not there is handed on as nothing",
        "cerebelum_engine.tasks",
        "if output or name not in spec.optional}",
        "}",
    ),
    Bug(
        "data of the wrong step",
        "cerebelum_engine.tasks",
        "state.steps.get(name) for name in spec.depends_on",
        "state.steps.get(max(spec.depends_on)) for name in spec.depends_on",
    ),
)
BUGS = WAITS_AND_TRIES + MOVES + RULES


def main(name: str, seeds: int) -> int:
    """Plant one bug and play seeds until it is caught: exit code 0 when it is, 1 when it survives."""
    plant(next(bug for bug in BUGS if bug.name == name))
    from tests.simulation.engine.world import Broken, play

    for seed in range(seeds):
        try:
            play(seed)
        except Broken as broken:
            print(str(broken).splitlines()[0])  # noqa: T201  # the parent process reads it
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
