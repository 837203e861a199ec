from __future__ import annotations

import pytest

from cerebelum_engine import (
    Approve,
    Cancel,
    Completed,
    Failed,
    FireTimers,
    LoseTask,
    Reason,
    Reject,
    StartExecution,
    Suspended,
    build_task,
    pending,
)
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.types.v1.types_pb import Failure, RetryPolicy
from cerebelum_proto.worker.worker_service_pb import (
    ApprovalDecision,
    ApprovalRequest,
    ApprovalTimeout,
    ExecutionState,
    SleepElapsed,
    SleepRequest,
)
from tests.engine.play import Play, blueprint, payload


def test_stages_run_in_order_and_a_group_runs_at_once() -> None:
    play = Play(blueprint(["a"], ["b", "c"], ["d"]))
    assert play.owed() == ["a"]
    play.complete("a")
    assert play.owed() == ["b", "c"]
    play.complete("c")
    assert play.owed() == ["b"]
    play.complete("b")
    assert play.owed() == ["d"]
    assert [type(fact).__name__ for fact in play.complete("d")] == ["StepCompleted", "ExecutionCompleted"]
    assert play.state.status is ExecutionState.EXECUTION_COMPLETED
    assert pending(play.state) == ()


def test_a_task_carries_the_results_that_its_step_depends_on() -> None:
    play = Play(blueprint(["a"], ["b"], ["c"], depends={"c": ["a"]}))
    play.complete("a", "one")
    play.complete("b", "two")
    task = build_task(play.state, play.task("c"))
    assert task.arguments == {"a": payload("one")}
    assert task.workflow_inputs == payload("in")
    assert (task.attempt, task.workflow_hash) == (1, play.state.blueprint.hash)


def test_siblings_of_a_failed_step_finish_and_the_first_failure_in_order_counts() -> None:
    play = Play(blueprint(["a", "b", "c"], ["d"]))
    play.fail("c", "LateError")
    play.fail("a", "FirstError")
    assert play.owed() == ["b"]
    facts = play.complete("b")
    assert isinstance(facts[-1], ev.ExecutionFailed)
    assert (facts[-1].step, facts[-1].failure.kind if facts[-1].failure else "") == ("a", "FirstError")
    assert play.state.steps["b"].output == payload("b")


def test_a_step_without_a_policy_is_not_retried() -> None:
    play = Play(blueprint(["a"]))
    assert [type(fact).__name__ for fact in play.fail("a")] == ["StepFailed", "ExecutionFailed"]


def test_a_retry_waits_for_its_pause_and_gets_a_new_task_id() -> None:
    policy = RetryPolicy(max_attempts=3, initial_interval_ms=100, backoff=2)
    play = Play(blueprint(["a"], retry=policy))
    first = play.task("a").task_id
    play.fail("a")
    assert play.owed() == []
    play.pass_ms(99)
    assert play.refuse(FireTimers()).reason is Reason.NOT_DUE
    play.pass_ms(1)
    play.do(FireTimers())
    assert play.task("a").task_id != first
    play.fail("a")
    play.pass_ms(200)
    play.do(FireTimers())
    assert build_task(play.state, play.task("a")).attempt == 3
    assert isinstance(play.fail("a")[-1], ev.ExecutionFailed)


@pytest.mark.parametrize(
    "failure",
    [
        Failure(kind="ValueError", non_retryable=True),
        Failure(kind="error", message="out of stock", error=payload("out_of_stock")),
        Failure(kind="CardDeclined"),
    ],
    ids=["told to be final", "a decision", "a kind that the policy names"],
)
def test_some_failures_are_final_whatever_the_policy_allows(failure: Failure) -> None:
    play = Play(blueprint(["a"], retry=RetryPolicy(max_attempts=5, non_retryable_kinds=["CardDeclined"])))
    assert isinstance(play.answer("a", Failed(failure=failure))[0], ev.StepFailed)


def test_a_sleep_ends_on_time_and_the_step_goes_on_after_it() -> None:
    play = Play(blueprint(["a"]))
    before = play.task("a").task_id
    play.answer("a", Suspended(marker=SleepRequest(duration_ms=60_000)))
    assert play.owed() == []
    play.pass_ms(59_999)
    assert play.refuse(FireTimers()).reason is Reason.NOT_DUE
    play.pass_ms(1)
    play.do(FireTimers())
    task = build_task(play.state, play.task("a"))
    assert task.task_id != before
    assert [type(marker.outcome) for marker in task.satisfied_markers] == [SleepElapsed]
    play.complete("a", "rested")
    assert play.state.steps["a"].output == payload("rested")


def test_an_approval_brings_who_decided_when_and_what() -> None:
    play = Play(blueprint(["a"]))
    play.answer("a", Suspended(marker=ApprovalRequest(approval_type="manual")))
    play.pass_ms(5)
    play.do(Approve(response=payload("fine"), decided_by="ada"))
    marker = build_task(play.state, play.task("a")).satisfied_markers[0]
    assert marker.outcome == ApprovalDecision(
        approved=True, decided_by="ada", decided_at=play.now, response=payload("fine")
    )


def test_a_rejection_and_a_timeout_reach_the_step() -> None:
    play = Play(blueprint(["a", "b"]))
    play.answer("a", Suspended(marker=ApprovalRequest(approval_type="manual")))
    play.answer("b", Suspended(marker=ApprovalRequest(approval_type="manual", timeout_ms=10)))
    play.do(Reject(step="a", reason="too dear", decided_by="bob"))
    play.pass_ms(10)
    play.do(FireTimers())
    (rejected,) = build_task(play.state, play.task("a")).satisfied_markers
    (expired,) = build_task(play.state, play.task("b")).satisfied_markers
    assert isinstance(rejected.outcome, ApprovalDecision)
    assert (rejected.outcome.approved, rejected.outcome.reason) == (False, "too dear")
    assert isinstance(expired.outcome, ApprovalTimeout)


def test_an_approval_must_be_waited_for_and_must_be_clear() -> None:
    play = Play(blueprint(["a", "b"]))
    assert play.refuse(Approve()).reason is Reason.NOT_WAITING
    for step in ("a", "b"):
        play.answer(step, Suspended(marker=ApprovalRequest(approval_type="manual")))
    assert play.refuse(Approve()).reason is Reason.AMBIGUOUS
    assert play.refuse(Approve(step="z")).reason is Reason.NOT_WAITING
    play.do(Approve(step="b"))
    play.do(Approve())
    assert play.owed() == ["a", "b"]


def test_a_decision_reaches_only_the_question_that_it_answers() -> None:
    play = Play(blueprint(["a", "b"]))
    first = play.task("a").task_id
    play.answer("a", Suspended(marker=ApprovalRequest(approval_type="small", timeout_ms=10)))
    play.answer("b", Suspended(marker=ApprovalRequest(approval_type="other")))
    play.pass_ms(10)
    play.do(FireTimers())
    second = play.task("a").task_id
    play.answer("a", Suspended(marker=ApprovalRequest(approval_type="large")))
    for late in (Approve(step="a", task_id=first), Reject(step="a", task_id=first), Approve(task_id=first)):
        assert play.refuse(late).reason is Reason.STALE
    play.do(Approve(task_id=second))
    assert play.owed() == ["a"]


def test_a_lost_task_is_owed_again_and_its_late_result_changes_nothing() -> None:
    play = Play(blueprint(["a"]))
    late = play.result("a", Completed(output=payload("late")))
    play.do(LoseTask(task_id=late.task_id, worker_id="w1", reason="lease expired"))
    rejected = play.refuse(late)
    assert rejected.reason is Reason.STALE
    assert late.task_id in rejected.message
    play.complete("a", "second")
    assert play.state.steps["a"].output == payload("second")


def test_a_result_sent_twice_is_recorded_once_and_told_so() -> None:
    play = Play(blueprint(["a"], ["b"]))
    result = play.result("a", Completed(output=payload("one")))
    play.do(result)
    assert play.refuse(result).reason is Reason.DUPLICATE
    marker = play.result("b", Suspended(marker=SleepRequest(duration_ms=1)))
    play.do(marker)
    assert play.refuse(marker).reason is Reason.DUPLICATE


def test_a_retried_step_keeps_its_satisfied_markers() -> None:
    play = Play(blueprint(["a"], retry=RetryPolicy(max_attempts=2, initial_interval_ms=10)))
    play.answer("a", Suspended(marker=SleepRequest(duration_ms=5)))
    play.pass_ms(5)
    play.do(FireTimers())
    play.fail("a")
    play.pass_ms(10)
    play.do(FireTimers())
    assert len(build_task(play.state, play.task("a")).satisfied_markers) == 1


def test_a_deadline_fails_the_execution_whatever_it_waits_for() -> None:
    play = Play(blueprint(["a"]), timeout_ms=1_000)
    play.answer("a", Suspended(marker=ApprovalRequest(approval_type="manual")))
    play.pass_ms(1_000)
    (fact,) = play.do(FireTimers())
    assert isinstance(fact, ev.ExecutionFailed)
    assert fact.failure is not None
    assert fact.failure.kind == "deadline_exceeded"


def test_a_cancelled_execution_takes_no_results() -> None:
    play = Play(blueprint(["a"]))
    result = play.result("a", Completed(output=payload("late")))
    play.do(Cancel(reason="no longer wanted", cancelled_by="ada"))
    assert play.refuse(result).reason is Reason.STALE
    assert play.refuse(Cancel()).reason is Reason.ENDED
    assert pending(play.state) == ()


def test_the_same_start_again_changes_nothing_and_another_is_refused() -> None:
    play = Play(blueprint(["a"]))
    assert play.do(StartExecution(execution_id="x", workflow="play", inputs=payload("in"))) == []
    for workflow, inputs in (("play", "other"), ("another", "in")):
        other = play.refuse(StartExecution(execution_id="x", workflow=workflow, inputs=payload(inputs)))
        assert other.reason is Reason.ALREADY_EXISTS


class TestAWorkerThatCannotGoOn:
    """Deployed clients run a step again from its first line."""

    def test_its_sleep_completes_the_step_with_the_sleep_s_data(self) -> None:
        play = Play(blueprint(["a"]))
        play.answer("a", Suspended(marker=SleepRequest(duration_ms=5), resumable=False, fallback=payload("data")))
        play.pass_ms(5)
        facts = play.do(FireTimers())
        assert [type(fact).__name__ for fact in facts] == [
            "SleepEnded",
            "StepCompleted",
            "ExecutionCompleted",
        ]
        assert play.state.steps["a"].output == payload("data")

    def test_asking_again_after_a_yes_takes_the_response_as_the_result(self) -> None:
        play = Play(blueprint(["a"]))
        asks = Suspended(marker=ApprovalRequest(approval_type="manual"), resumable=False)
        play.answer("a", asks)
        play.do(Approve(response=payload("yes")))
        assert play.owed() == ["a"]
        play.answer("a", asks)
        assert play.state.steps["a"].output == payload("yes")
        assert play.state.status is ExecutionState.EXECUTION_COMPLETED

    @pytest.mark.parametrize("kind", ["approval_rejected", "approval_timeout"])
    def test_a_no_or_no_answer_fails_its_step(self, kind: str) -> None:
        play = Play(blueprint(["a"]))
        asked = ApprovalRequest(approval_type="manual", timeout_ms=10)
        play.answer("a", Suspended(marker=asked, resumable=False))
        play.pass_ms(10)
        facts = play.do(Reject(reason="no") if kind == "approval_rejected" else FireTimers())
        assert isinstance(facts[-1], ev.ExecutionFailed)
        assert facts[-1].failure is not None
        assert facts[-1].failure.kind == kind
