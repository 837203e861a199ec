"""The bugs that the engine's simulation must catch. One that survives means a missing invariant."""

from __future__ import annotations

import sys

from tests.simulation.planted.planting import Bug, plant

BUGS = (
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
        "losses=step.losses + 1",
        "losses=step.losses",
    ),
    Bug(
        "a failed try is not counted",
        "cerebelum_engine.evolve",
        "failures=step.failures + 1,",
        "failures=step.failures,",
    ),
    Bug(
        "one try too many",
        "cerebelum_engine.results",
        "failures >= (policy.max_attempts or 1)",
        "failures > (policy.max_attempts or 1)",
    ),
    Bug(
        "decisions are retried",
        "cerebelum_engine.results",
        "        or failure.error is not None\n",
        "",
    ),
    Bug(
        "final failures are retried",
        "cerebelum_engine.results",
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
        "the next stage begins with the first result",
        "cerebelum_engine.evolve",
        "succeeded = all(",
        "succeeded = any(",
    ),
    Bug(
        "a failure does not wait for its siblings",
        "cerebelum_engine.state",
        "return all(name in self.steps and self.steps[name].phase.closed for name in self.stage_steps)",
        "return all(n in self.steps and self.steps[n].phase.closed for n in self.stage_steps) or any("
        "s.phase is Phase.FAILED for s in self.steps.values())",
    ),
    Bug(
        "the last failure in order is blamed",
        "cerebelum_engine.decide",
        "    for name in state.stage_steps:\n        step = state.steps[name]\n        if step.phase is Phase.FAILED",
        "    for name in reversed(state.stage_steps):\n        step = state.steps[name]\n"
        "        if step.phase is Phase.FAILED",
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
        "    elif state.ended:",
        "    elif state.ended and state.failure is None:",
    ),
    Bug(
        "versions repeat",
        "cerebelum_engine.decide",
        "        state = evolve(state, event)\n    ending =",
        "    ending =",
    ),
    Bug(
        "data of the wrong step",
        "cerebelum_engine.tasks",
        "state.steps[name].output or Payload() for name in spec.depends_on",
        "state.steps[max(spec.depends_on)].output or Payload() for name in spec.depends_on",
    ),
    Bug(
        "an unanswered approval leaves a foreign step waiting",
        "cerebelum_engine.decide",
        "            if not resumable:\n",
        "            if resumable:\n",
    ),
)


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
