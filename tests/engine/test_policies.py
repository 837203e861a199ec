from __future__ import annotations

from typing import Any

import pytest

from cerebelum_engine import Failed, FireTimers, Limit, LoseTask, Reason, Redrive, TimeOutTask
from cerebelum_engine.policies import MAX_LOSSES, chance_of, pause_ms
from cerebelum_engine.status import summary
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.types.v1.types_pb import Failure, RetryPolicy
from cerebelum_proto.worker import worker_service_pb as pb
from cerebelum_proto.worker.worker_service_pb import ExecutionState
from tests.engine.play import Play, blueprint


def test_pauses_grow_to_their_limit() -> None:
    policy = RetryPolicy(initial_interval_ms=100, backoff=3, max_interval_ms=1_000)
    assert [pause_ms(policy, failures, "t") for failures in (1, 2, 3, 4, 500)] == [100, 300, 900, 1_000, 1_000]
    assert [pause_ms(RetryPolicy(), failures, "t") for failures in (1, 2, 7, 8)] == [1_000, 2_000, 60_000, 60_000]


def test_jitter_shortens_a_pause_by_up_to_its_part_and_the_same_each_time() -> None:
    policy = RetryPolicy(initial_interval_ms=10_000, jitter=0.5)
    pauses = [pause_ms(policy, 1, f"x/a/1.{number}.0") for number in range(1_000)]
    assert all(5_000 < pause <= 10_000 for pause in pauses)
    assert 7_300 < sum(pauses) / len(pauses) < 7_700
    assert pauses == [pause_ms(policy, 1, f"x/a/1.{number}.0") for number in range(1_000)]
    assert all(0 <= chance_of(str(number)) < 1 for number in range(1_000))


def limited(**limits: Any) -> Play:
    definition = pb.WorkflowDefinition(
        timeline=[pb.Step(name="a", retry=RetryPolicy(max_attempts=2, initial_interval_ms=10), **limits)]
    )
    return Play.of(pb.Blueprint(workflow_module="play", definition=definition))


def test_a_worker_that_has_a_task_for_too_long_costs_a_try() -> None:
    play = limited(start_to_close_ms=100)
    task = play.task("a")
    assert task.start_to_close_ms == 100
    late = TimeOutTask(task_id=task.task_id, limit=Limit.START_TO_CLOSE, worker_id="w")
    (fact,) = play.do(late)
    assert isinstance(fact, ev.AttemptFailed)
    assert fact.failure is not None
    assert (fact.failure.kind, fact.worker_id) == ("timeout", "w")
    assert play.refuse(late).reason is Reason.STALE
    play.pass_ms(10)
    play.do(FireTimers())
    assert [type(f).__name__ for f in play.do(TimeOutTask(task_id=play.task("a").task_id, limit=Limit.START_TO_CLOSE))]


def test_a_task_whose_step_falls_silent_fails_its_try_and_names_the_limit() -> None:
    play = limited(heartbeat_timeout_ms=3_000)
    task = play.task("a")
    assert task.heartbeat_timeout_ms == 3_000
    (fact,) = play.do(TimeOutTask(task_id=task.task_id, limit=Limit.HEARTBEAT, worker_id="w"))
    assert isinstance(fact, ev.AttemptFailed)
    assert fact.failure is not None
    assert (fact.failure.kind, fact.failure.message) == (
        "heartbeat_timeout",
        "a worker gave no sign of life of it for 3000 ms",
    )


def test_a_task_that_no_worker_takes_in_time_fails_its_step_for_good() -> None:
    play = limited(schedule_to_start_ms=5_000)
    task = play.task("a")
    assert task.unclaimed_at is not None
    assert task.unclaimed_at.to_ns() == play.now_ns + 5_000_000_000
    facts = play.do(TimeOutTask(task_id=task.task_id, limit=Limit.SCHEDULE_TO_START))
    assert [type(fact).__name__ for fact in facts] == ["StepFailed", "ExecutionFailed"]
    assert play.state.failure is not None
    assert play.state.failure.kind == "schedule_to_start_timeout"


def test_the_wait_for_a_worker_begins_anew_with_each_handout() -> None:
    play = limited(schedule_to_start_ms=5_000)
    play.pass_ms(4_000)
    play.do(LoseTask(task_id=play.task("a").task_id, worker_id="w", reason="silent"))
    anew = play.task("a").unclaimed_at
    assert anew is not None
    assert anew.to_ns() == play.now_ns + 5_000_000_000


def lose(play: Play) -> list[ev.Event_Fact]:
    return play.do(LoseTask(task_id=play.task("a").task_id, worker_id="w", reason="silent"))


def dead() -> Play:
    play = Play(blueprint(["a", "b"], ["c"]))
    for _ in range(MAX_LOSSES):
        lose(play)
    return play


def test_a_step_that_keeps_losing_its_workers_is_a_dead_letter_and_is_handed_out_no_more() -> None:
    play = dead()
    assert isinstance(play.history[-1].fact, ev.StepDeadLettered)
    assert play.owed() == ["b"]
    assert summary(play.state) is ExecutionState.EXECUTION_DEAD_LETTERED
    play.complete("b")
    assert play.state.running


def test_a_redriven_step_runs_again_and_answers_from_before_stay_stale() -> None:
    play = Play(blueprint(["a"]))
    for _ in range(MAX_LOSSES - 1):
        lose(play)
    last = play.result("a", Failed(failure=Failure(kind="late")))
    lose(play)
    assert play.do(Redrive(redriven_by="ada")) == [ev.StepRedriven(step="a", redriven_by="ada")]
    assert play.refuse(last).reason is Reason.STALE
    for _ in range(MAX_LOSSES - 1):
        assert isinstance(lose(play)[0], ev.AttemptLost)
    assert isinstance(lose(play)[0], ev.StepDeadLettered)


@pytest.mark.parametrize("step", ["", "b", "nobody"])
def test_only_a_dead_letter_can_be_redriven(step: str) -> None:
    play = dead() if step else Play(blueprint(["a"]))
    assert play.refuse(Redrive(step=step)).reason is Reason.NOT_DEAD_LETTERED
