from __future__ import annotations

from cerebelum_engine import (
    Approve,
    Cancel,
    Completed,
    Failed,
    FireTimers,
    Fork,
    Handout,
    LoseTask,
    Migrate,
    Pause,
    Reason,
    Rejected,
    Resume,
    Retry,
    Suspended,
    Terminate,
    build_task,
    compile_blueprint,
    decide,
    hash_of,
    new,
    next_timer,
    owed_tasks,
    reconstruct,
)
from cerebelum_engine.status import summary
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.types.v1.types_pb import Failure
from cerebelum_proto.worker import worker_service_pb as pb
from cerebelum_proto.worker.worker_service_pb import ApprovalRequest, ExecutionState, SleepRequest
from tests.engine.play import Play, blueprint, payload, submitted


def names(facts: list[ev.Event_Fact]) -> list[str]:
    return [type(fact).__name__ for fact in facts]


class TestAPause:
    def test_keeps_what_runs_and_offers_nothing_new(self) -> None:
        play = Play(blueprint(["a"], ["b"]))
        play.do(Pause(reason="incident", paused_by="ada"))
        assert summary(play.state) is ExecutionState.EXECUTION_PAUSED
        assert [task.handout for task in owed_tasks(play.state)] == [Handout.KEEP]
        play.complete("a")
        assert [(task.step, task.handout) for task in owed_tasks(play.state)] == [("b", Handout.KEEP)]
        play.do(Resume(resumed_by="ada"))
        assert [(task.step, task.handout) for task in owed_tasks(play.state)] == [("b", Handout.OFFER)]

    def test_remembers_timers_and_decisions(self) -> None:
        play = Play(blueprint(["a", "b"]))
        play.answer("a", Suspended(marker=SleepRequest(duration_ms=5)))
        play.answer("b", Suspended(marker=ApprovalRequest(approval_type="manual")))
        play.do(Pause())
        play.pass_ms(5)
        assert names(play.do(FireTimers())) == ["SleepEnded"]
        assert names(play.do(Approve())) == ["ApprovalGranted"]
        assert {task.handout for task in owed_tasks(play.state)} == {Handout.KEEP}

    def test_does_not_stop_the_deadline(self) -> None:
        play = Play(blueprint(["a"]), timeout_ms=10)
        play.do(Pause())
        play.pass_ms(10)
        assert names(play.do(FireTimers())) == ["ExecutionFailed"]

    def test_twice_is_once_and_a_resume_needs_one(self) -> None:
        play = Play(blueprint(["a"]))
        assert play.refuse(Resume()).reason is Reason.NOT_PAUSED
        play.do(Pause())
        assert play.do(Pause()) == []


class TestACancellation:
    def cancelling(self) -> tuple[Play, str]:
        """`a` is in a worker's hands, `b` sleeps."""
        play = Play(blueprint(["a", "b"], ["c"]), timeout_ms=1_000_000)
        task_id = play.task("a").task_id
        play.answer("b", Suspended(marker=SleepRequest(duration_ms=5)))
        facts = play.do(Cancel(reason="enough", cancelled_by="ada", cleanup_ms=100, in_hand=frozenset({task_id})))
        assert names(facts) == ["CancellationRequested"]
        return play, task_id

    def test_ends_at_once_when_nothing_runs(self) -> None:
        play = Play(blueprint(["a"]))
        assert play.do(Cancel(reason="enough", cancelled_by="ada")) == [
            ev.ExecutionCancelled(reason="enough", cancelled_by="ada")
        ]

    def test_waits_for_what_runs_and_for_nothing_else(self) -> None:
        play, _ = self.cancelling()
        assert summary(play.state) is ExecutionState.EXECUTION_CANCELLING
        assert [(task.step, task.handout) for task in owed_tasks(play.state)] == [("a", Handout.STOP)]
        play.pass_ms(5)
        assert play.refuse(FireTimers()).reason is Reason.NOT_DUE

    def test_records_the_outcome_of_a_cleanup(self) -> None:
        play, _ = self.cancelling()
        clean = Failed(failure=Failure(kind="cancelled"))
        assert names(play.answer("a", clean)) == ["StepCancelled", "ExecutionCancelled"]
        play, _ = self.cancelling()
        facts = play.answer("a", Failed(failure=Failure(kind="OSError", message="disk full")))
        assert isinstance(facts[0], ev.StepCancelled)
        assert facts[0].failure == Failure(kind="OSError", message="disk full")

    def test_keeps_the_result_of_a_step_that_was_quicker(self) -> None:
        play, _ = self.cancelling()
        assert names(play.complete("a")) == ["StepCompleted", "ExecutionCancelled"]
        assert play.state.steps["a"].output == payload("a")

    def test_does_not_wait_for_a_worker_that_is_gone(self) -> None:
        play, task_id = self.cancelling()
        facts = play.do(LoseTask(task_id=task_id, worker_id="w", reason="silent"))
        assert names(facts) == ["StepCancelled", "ExecutionCancelled"]

    def test_ends_when_the_cleanup_takes_too_long(self) -> None:
        play, _ = self.cancelling()
        due = next_timer(play.state)
        assert due is not None
        assert due.to_ns() == play.now_ns + 100_000_000
        late = play.result("a", Completed(output=payload("late")))
        play.pass_ms(100)
        assert names(play.do(FireTimers())) == ["ExecutionCancelled"]
        assert play.refuse(late).reason is Reason.STALE

    def test_leaves_no_other_wish_but_to_terminate(self) -> None:
        play, _ = self.cancelling()
        assert play.do(Cancel()) == []
        assert play.refuse(Pause()).reason is Reason.CANCELLING
        assert play.refuse(Approve()).reason is Reason.CANCELLING
        (fact,) = play.do(Terminate(reason="now", terminated_by="ada"))
        assert fact == ev.ExecutionCancelled(reason="now", cancelled_by="ada", forced=True)


class TestARetry:
    def test_begins_the_failed_steps_anew_and_keeps_every_other_result(self) -> None:
        play = Play(blueprint(["a", "b"], ["c"]))
        play.complete("a")
        play.answer("b", Suspended(marker=SleepRequest(duration_ms=0)))
        play.do(FireTimers())
        stale = play.result("b", Completed(output=payload("stale")))
        play.fail("b")
        assert names(play.do(Retry(retried_by="ada"))) == ["ExecutionRetried"]
        assert play.owed() == ["b"]
        assert build_task(play.state, play.task("b")).satisfied_markers == []
        assert play.refuse(stale).reason is Reason.STALE
        play.complete("b")
        play.complete("c")
        assert play.state.status is ExecutionState.EXECUTION_COMPLETED

    def test_gives_as_much_time_as_at_the_start(self) -> None:
        play = Play(blueprint(["a"]), timeout_ms=1_000)
        play.pass_ms(1_000)
        play.do(FireTimers())
        play.pass_ms(5_000)
        play.do(Retry())
        assert play.owed() == ["a"]
        assert play.state.deadline is not None
        assert play.state.deadline.to_ns() == play.now_ns + 1_000_000_000

    def test_begins_another_try_of_what_the_end_cut_off(self) -> None:
        play = Play(blueprint(["a", "b"]), timeout_ms=1_000)
        play.answer("b", Suspended(marker=SleepRequest(duration_ms=60_000)))
        former = play.task("a").task_id
        play.pass_ms(1_000)
        play.do(FireTimers())
        (retried,) = play.do(Retry())
        assert isinstance(retried, ev.ExecutionRetried)
        assert retried.cut_off == ["a"]
        assert play.refuse(LoseTask(task_id=former, worker_id="w", reason="dropped")).reason is Reason.STALE
        assert build_task(play.state, play.task("a")).attempt == 2

    def test_counts_no_loss_for_what_the_end_cut_off(self) -> None:
        play = Play(blueprint(["a"]), timeout_ms=1_000)
        for _ in range(20):
            play.pass_ms(1_000)
            play.do(FireTimers())
            play.do(Retry())
        play.do(LoseTask(task_id=play.task("a").task_id, worker_id="w", reason="it fell silent"))
        assert play.owed() == ["a"]

    def test_is_for_failed_executions_only(self) -> None:
        play = Play(blueprint(["a"]))
        assert play.refuse(Retry()).reason is Reason.NOT_FAILED
        play.do(Cancel())
        assert play.refuse(Retry()).reason is Reason.NOT_FAILED


_ANYTHING_ELSE = pb.PatternMatch(pattern="_", route=pb.Route(action=pb.RouteAction.ROUTE_ACTION_END))


class TestAFork:
    def finished(self) -> Play:
        play = Play(blueprint(["a"], ["b", "c"], ["d"]), timeout_ms=60_000)
        play.complete("a", "one")
        play.complete("c", "three")
        play.do(Pause())
        play.do(Resume())
        play.fail("b")
        return play

    def forked(self, play: Play, **wish: str) -> Play:
        fork = Fork(execution_id="y", origin="x", history=play.history, **wish)
        events = decide(new(play.state.blueprint), fork, play.now)
        assert not isinstance(events, Rejected), events
        child = Play(play.state.blueprint)
        child.state, child.history = reconstruct(new(play.state.blueprint), events), list(events)
        return child

    def test_from_a_step_that_was_visited_too_often_fails_as_its_origin_did(self) -> None:
        again = pb.PatternMatch(pattern="ok", route=pb.Route(action=pb.RouteAction.ROUTE_ACTION_RETRY))
        looping = submitted(["a"])
        assert looping.definition is not None
        looping.definition.diverge_rules = [pb.DivergeRule(from_step="a", patterns=[again, _ANYTHING_ELSE])]
        looping.definition.max_visits = 2
        play = Play.of(looping)
        play.complete("a")
        play.complete("a")
        child = self.forked(play, step="a")
        assert child.state.failure is not None
        assert child.state.failure.kind == "too_many_visits"

    def test_inherits_what_had_happened_before_the_failed_step_had_its_say(self) -> None:
        play = self.finished()
        play.pass_ms(1_000_000)
        child = self.forked(play)
        assert child.state.execution_id == "y"
        assert [event.version for event in child.history] == list(range(1, len(child.history) + 1))
        assert {event.execution_id for event in child.history} == {"y"}
        assert names([e.fact for e in child.history if e.fact]) == [
            "ExecutionStarted",
            "StepCompleted",
            "StepCompleted",
            "ExecutionForked",
        ]
        assert child.owed() == ["b"]
        assert child.task("b").task_id.startswith("y/b/")
        assert child.state.deadline is not None
        assert child.state.deadline.to_ns() == play.now_ns + 60_000_000_000

    def test_from_an_earlier_step_forgets_what_came_after_it(self) -> None:
        child = self.forked(self.finished(), step="a")
        assert child.owed() == ["a"]
        assert list(child.state.steps) == ["a"]

    def test_runs_a_failed_sibling_anew_as_well(self) -> None:
        play = Play(blueprint(["a", "b"]))
        play.fail("a")
        play.complete("b")
        assert self.forked(play, step="b").owed() == ["a", "b"]

    def test_again_changes_nothing_and_an_id_that_is_taken_is_refused(self) -> None:
        play = self.finished()
        child = self.forked(play)
        again = Fork(execution_id="y", origin="x", history=play.history)
        assert decide(child.state, again, play.now) == ()
        other = decide(child.state, Fork(execution_id="y", origin="z", history=play.history), play.now)
        assert isinstance(other, Rejected)
        assert other.reason is Reason.ALREADY_EXISTS

    def test_needs_a_step_that_has_begun(self) -> None:
        play = self.finished()
        for step in ("d", "nobody"):
            refused = decide(
                new(play.state.blueprint), Fork(execution_id="y", origin="x", history=play.history, step=step), play.now
            )
            assert isinstance(refused, Rejected)
            assert f"'{step}' has not begun in execution 'x'" in refused.message


class TestAMigration:
    def move(self, play: Play, to: pb.Blueprint) -> Migrate:
        return Migrate(blueprint=to, history=play.history, migrated_by="ada")

    def test_follows_the_other_blueprint_from_here_on(self) -> None:
        play = Play(blueprint(["a"], ["b"]))
        play.complete("a")
        longer = submitted(["a"], ["b"], ["c"])
        assert names(play.do(self.move(play, longer))) == ["ExecutionMigrated"]
        assert play.state.blueprint.hash == hash_of(longer)
        assert play.state == reconstruct(new(blueprint(["a"], ["b"])), play.history)
        play.complete("b")
        assert play.owed() == ["c"]
        assert play.do(self.move(play, longer)) == []

    def test_is_refused_with_each_reason_when_the_history_disagrees(self) -> None:
        play = Play(blueprint(["a"], ["b"]))
        play.complete("a")
        refused = play.refuse(self.move(play, submitted(["a"], ["c", "d"])))
        assert refused.reason is Reason.DISAGREES
        assert "step 'b' has begun, and there it would not have" in refused.message
        assert "step 'c' would have begun there by now" in refused.message
        assert "step 'd' would have begun there by now" in refused.message

    def test_is_refused_where_an_outcome_would_have_met_another_rule(self) -> None:
        play = Play(blueprint(["a"], ["b"]))
        play.complete("a", "no")
        refused = play.refuse(self.move(play, _ruled("a", "no", pb.RouteAction.ROUTE_ACTION_PROCEED)))
        assert refused.reason is Reason.DISAGREES
        assert "the outcome of step 'a' would have met 'no' there, and it met no rule" in refused.message

    def test_follows_when_only_a_failure_that_was_retried_would_have_met_another_rule(self) -> None:
        play = Play(compile_blueprint(_ruled("a", "boom", pb.RouteAction.ROUTE_ACTION_FAIL)))
        play.fail("a", "boom")
        play.do(Retry())
        play.do(self.move(play, submitted(["a"], ["b"], ["c"])))
        play.complete("a")
        assert play.owed() == ["b"]

    def test_is_refused_when_the_history_has_moved_on_meanwhile(self) -> None:
        play = Play(blueprint(["a"], ["b"]))
        move = self.move(play, submitted(["a"], ["b"], ["c"]))
        move = Migrate(blueprint=move.blueprint, history=tuple(play.history))
        play.complete("a")
        assert play.refuse(move).reason is Reason.STALE

    def test_of_a_failed_execution_and_a_retry_go_together(self) -> None:
        play = Play(blueprint(["a"], ["b"]))
        play.complete("a")
        play.fail("b")
        play.do(self.move(play, submitted(["a"], ["b"], ["c"])))
        play.do(Retry())
        play.complete("b")
        assert play.owed() == ["c"]


def _ruled(step: str, pattern: str, action: pb.RouteAction) -> pb.Blueprint:
    """The workflow of two steps, with one rule."""
    ruled = submitted(["a"], ["b"])
    assert ruled.definition is not None
    patterns = [pb.PatternMatch(pattern=pattern, route=pb.Route(action=action))]
    ruled.definition.diverge_rules = [pb.DivergeRule(from_step=step, patterns=patterns)]
    return ruled
