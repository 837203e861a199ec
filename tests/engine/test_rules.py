"""Rules as the contract writes them, played command by command. What each row means is told in docs/meaning.md."""

from __future__ import annotations

import pytest

from cerebelum_engine import (
    Cancel,
    Completed,
    Failed,
    RecordResult,
    Retry,
    build_task,
    compile_blueprint,
    new,
    reconstruct,
    validate,
)
from cerebelum_engine.conditions import Condition, ConditionError
from cerebelum_engine.phase import Phase
from cerebelum_engine.values import UNREADABLE, Value, holds_all, read, text_of
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.types.v1.types_pb import Failure, Payload
from cerebelum_proto.worker import worker_service_pb as pb
from cerebelum_proto.worker.worker_service_pb import ExecutionState
from tests.engine.play import Play, payload, submitted

Act = pb.RouteAction


def route(action: pb.RouteAction, step: str = "", path: list[list[str]] | None = None) -> pb.Route:
    return pb.Route(action=action, step=step, path=[pb.Stage(steps=steps) for steps in path or []])


def ruled(*stages: list[str], more: str = "", **patterns: dict[str, pb.Route]) -> pb.Blueprint:
    """A blueprint with diverge rules by step, and steps that stand on paths only."""
    blueprint = submitted(*stages)
    definition = blueprint.definition or pb.WorkflowDefinition()
    definition.timeline += [pb.Step(name=name) for name in more]
    definition.diverge_rules = [
        pb.DivergeRule(from_step=step, patterns=[pb.PatternMatch(pattern=t, route=r) for t, r in lines.items()])
        for step, lines in patterns.items()
    ]
    return blueprint


def played(*stages: list[str], more: str = "", **patterns: dict[str, pb.Route]) -> Play:
    return Play(compile_blueprint(ruled(*stages, more=more, **patterns)))


@pytest.mark.parametrize("path", ["x", "yx"])
def test_a_step_that_stands_nowhere_but_on_a_path_from_itself_is_never_reached(path: str) -> None:
    blueprint = ruled(["a"], more=path, x={"no": route(Act.ROUTE_ACTION_PATH, path=[[step] for step in path])})
    assert any(error.startswith("step 'x' is never reached") for error in validate(blueprint).errors)


def test_the_event_keeps_which_rule_was_met() -> None:
    play = played(["a"], ["b"], more="x", a={"no": route(Act.ROUTE_ACTION_PATH, path=[["x"]])})
    fact = play.complete("a", "no")[0]
    assert isinstance(fact, ev.StepCompleted)
    assert fact.route == ev.RouteChosen(rule=ev.RuleKind.RULE_KIND_DIVERGE, choice=0, matched="no")
    assert play.owed() == ["x"]
    assert [type(fact).__name__ for fact in play.complete("x")] == ["StepCompleted", "ExecutionCompleted"]
    assert play.state.result_steps == ("x",)


def test_a_history_never_asks_the_rules_again() -> None:
    play = played(["a"], ["b"], a={"no": route(Act.ROUTE_ACTION_SKIP_TO, "b"), "_": route(Act.ROUTE_ACTION_PROCEED)})
    play.complete("a", "no")
    assert reconstruct(new(play.state.blueprint), play.history) == play.state


def test_a_new_visit_has_its_own_task_and_the_old_one_is_a_duplicate() -> None:
    play = played(["a"], ["b"], b={"no": route(Act.ROUTE_ACTION_BACK_TO, "a")})
    first = play.result("a", Completed(output=payload("one")))
    play.do(first)
    play.complete("b", "no")
    assert play.state.steps["b"].phase is Phase.FORGOTTEN
    assert play.task("a").task_id == "x/a/2.1.0"
    assert play.refuse(first).reason.value == "duplicate"
    assert build_task(play.state, play.task("a")).arguments == {}


def test_what_runs_beside_a_leaving_step_ends_before_it_leaves() -> None:
    play = played(["a", "b"], ["c"], a={"no": route(Act.ROUTE_ACTION_END)})
    play.complete("a", "no")
    assert (play.owed(), play.state.leaving) == (["b"], ("a",))
    facts = play.complete("b")
    assert isinstance(facts[-1], ev.ExecutionCompleted)
    assert facts[-1].result_steps == ["a"]


def test_a_retried_execution_still_knows_the_routes_that_waited() -> None:
    play = played(["a", "b"], ["c"], b={"no": route(Act.ROUTE_ACTION_END)})
    play.complete("b", "no")
    play.fail("a")
    play.do(Retry(retried_by="ada"))
    assert play.owed() == ["a"]
    assert isinstance(play.complete("a")[-1], ev.ExecutionCompleted)
    assert play.state.result_steps == ("b",)


def test_a_retried_execution_does_not_take_up_routes_that_were_overruled() -> None:
    paths = {
        name: {"no": route(Act.ROUTE_ACTION_PATH, path=path)} for name, path in (("a", [["x"], ["y"]]), ("b", [["z"]]))
    }
    play = played(["a", "b"], ["c"], more="xyz", **paths)
    play.complete("b", "no")
    play.complete("a", "no")
    play.fail("x")
    play.do(Retry(retried_by="ada"))
    play.complete("x")
    assert play.owed() == ["y"]
    assert isinstance(play.complete("y")[-1], ev.ExecutionCompleted)


def test_a_failure_counts_again_once_what_overruled_it_is_taken_back() -> None:
    """The way from `a` to `c` passes over the failed `b`. It leads back to `a`: `b` is beside it as before."""
    around = {"again": route(Act.ROUTE_ACTION_PATH, path=[["x"], ["c"]]), "_": route(Act.ROUTE_ACTION_PROCEED)}
    back = {"no": route(Act.ROUTE_ACTION_BACK_TO, "a")}
    play = played(["a", "b"], ["c"], more="x", a=around, x=back)
    play.complete("a", "again")
    play.fail("b")
    assert play.owed() == ["x"]
    facts = play.complete("x", "no")
    assert isinstance(facts[-1], ev.ExecutionFailed)
    assert facts[-1].step == "b"


def test_a_failure_that_a_route_around_overrules_stays_overruled_by_what_leads_back_within_it() -> None:
    around = {"again": route(Act.ROUTE_ACTION_PATH, path=[["x"], ["y"], ["c"]])}
    play = played(["a", "b"], ["c"], more="xy", a=around, y={"no": route(Act.ROUTE_ACTION_BACK_TO, "x")})
    play.complete("a", "again")
    play.fail("b")
    play.complete("x")
    play.complete("y", "no")
    assert play.owed() == ["x"]
    play.complete("x")
    play.complete("y")
    assert play.owed() == ["c"]


def test_a_failure_that_was_overruled_is_not_retried_with_the_one_that_ended_the_execution() -> None:
    play = played(["a", "b"], ["c"], more="x", a={"no": route(Act.ROUTE_ACTION_PATH, path=[["x"], ["c"]])})
    play.complete("a", "no")
    play.fail("b")
    play.fail("x")
    facts = play.do(Retry(retried_by="ada"))
    assert isinstance(facts[0], ev.ExecutionRetried)
    assert (facts[0].steps, play.owed()) == (["x"], ["x"])
    play.complete("x")
    assert play.owed() == ["c"]


def test_a_failure_that_a_rule_let_pass_is_not_retried() -> None:
    play = played(["a"], ["b"], a={"error": route(Act.ROUTE_ACTION_PROCEED)})
    play.fail("a")
    play.fail("b")
    play.do(Retry(retried_by="ada"))
    assert play.owed() == ["b"]


def test_rules_lead_nowhere_while_an_execution_is_cancelled() -> None:
    play = played(["a"], ["b"], a={"no": route(Act.ROUTE_ACTION_RETRY)})
    task_id = play.task("a").task_id
    play.do(Cancel(in_hand=frozenset({task_id})))
    facts = play.do(RecordResult(task_id=task_id, worker_id="w1", outcome=Completed(output=payload("no"))))
    assert [type(fact).__name__ for fact in facts] == ["StepCompleted", "ExecutionCancelled"]


def test_a_step_that_a_rule_leads_to_too_often_fails_and_no_rule_saves_it() -> None:
    blueprint = ruled(["a"], ["b"], a={"error": route(Act.ROUTE_ACTION_RETRY)})
    assert blueprint.definition is not None
    blueprint.definition.max_visits = 2
    play = Play(compile_blueprint(blueprint))
    play.fail("a")
    facts = play.fail("a")
    assert [type(fact).__name__ for fact in facts] == ["StepFailed", "StepFailed", "ExecutionFailed"]
    assert play.state.failure is not None
    assert play.state.failure.kind == "too_many_visits"


class TestADeployedClient:
    """It writes a bare target: a step of its timeline, or END."""

    def blueprint(self, target: str) -> pb.Blueprint:
        patterns = [pb.PatternMatch(pattern="no", target=target)]
        definition = pb.WorkflowDefinition(
            timeline=[pb.Step(name=name) for name in "abc"],
            diverge_rules=[pb.DivergeRule(from_step="a", patterns=patterns)],
        )
        return pb.Blueprint(workflow_module="play", definition=definition)

    @pytest.mark.parametrize(("target", "owed"), [("c", ["c"]), ("END", []), ("elsewhere", ["b"])])
    def test_goes_where_it_says_if_that_can_be(self, target: str, owed: list[str]) -> None:
        play = Play(compile_blueprint(self.blueprint(target)))
        play.complete("a", "no")
        assert play.owed() == owed

    def test_is_told_what_cannot_be(self) -> None:
        assert "'elsewhere' stands on no timeline" in validate(self.blueprint("elsewhere")).warnings[0]


@pytest.mark.parametrize(
    ("blueprint", "said"),
    [
        (ruled(["a"], a={"no": route(Act.ROUTE_ACTION_PATH)}), "leads over an empty path"),
        (ruled(["a"], a={"no": pb.Route()}), "has action 0, which this version does not know"),
        (ruled(["a"], a={"": route(Act.ROUTE_ACTION_END)}), "a pattern is empty"),
        (ruled(["a"], a={"no": route(Act.ROUTE_ACTION_PATH, path=[["x"], ["x"]])}, more="x"), "'x' stands 2 times on"),
        (ruled(["a"], a={"no": route(Act.ROUTE_ACTION_PATH, path=[["z"]])}), "'z', which is no step"),
        (ruled(["a"], more="x"), "step 'x' is in no stage: it would never run"),
        (ruled(["a"], z={"no": route(Act.ROUTE_ACTION_END)}), "diverge rule from 'z', which is no step"),
        (
            ruled(["a", "b"], ["c"], a={"no": route(Act.ROUTE_ACTION_SKIP_TO, "b")}),
            "leads to 'b', which runs beside it",
        ),
        (
            ruled(
                ["a"], ["b"], more="xy",
                a={"no": route(Act.ROUTE_ACTION_PATH, path=[["x"]])},
                b={"no": route(Act.ROUTE_ACTION_PATH, path=[["y"]])},
                y={"no": route(Act.ROUTE_ACTION_BACK_TO, "x")},
            ),
            "goes on at 'x', which does not stand on every way to 'y'",
        ),
    ],
)  # fmt: skip
def test_the_core_refuses_what_cannot_be_meant_and_says_why(blueprint: pb.Blueprint, said: str) -> None:
    assert any(said in error for error in validate(blueprint).errors), validate(blueprint).errors


def test_a_condition_says_why_it_has_no_answer() -> None:
    condition = Condition("a.size > 1", ("a",))
    assert condition.holds({"a": {"size": 2}})
    assert not condition.holds({"a": {"size": 1}})
    unanswerable: list[tuple[Value, str]] = [
        ({}, "no member"), ({"size": "big"}, "cannot be applied"), ({"size": 2**70}, "64 bits")
    ]  # fmt: skip
    for value, said in unanswerable:
        with pytest.raises(ConditionError, match=said):
            condition.holds({"a": value})


def test_values_are_read_as_far_as_json_goes() -> None:
    tagged = b'{"$": "dataclass", "v": {"at": {"$": "datetime", "v": "2030-01-01"}, "n": {"$": "decimal", "v": "1.5"}}}'
    assert read(Payload(encoding="json+python", data=tagged)) == {"at": "2030-01-01", "n": 1.5}
    assert read(Payload(encoding="bytes", data=b"x")) is UNREADABLE
    assert read(Payload(encoding="json", data=b"{")) is UNREADABLE
    assert read(None) is None
    assert [*map(text_of, ("a", 1, 1.5, True, None, [], UNREADABLE))] == [
        "a", "1", "1.5", "true", "null", None, None
    ]  # fmt: skip
    assert holds_all({"a": [{"b": 1, "c": 2}]}, {"a": [{"b": 1}]})
    assert not holds_all({"a": [1, 2]}, {"a": [1]})


def test_an_execution_that_goes_round_is_summed_up_as_running() -> None:
    play = played(["a"], ["b"], b={"no": route(Act.ROUTE_ACTION_BACK_TO, "a")})
    play.complete("a")
    play.answer("b", Failed(failure=Failure(kind="error", error=payload("no"))))
    assert play.state.status is ExecutionState.EXECUTION_RUNNING
    assert play.owed() == ["a"]
