from __future__ import annotations

import pytest

from cerebelum_engine import BlueprintInvalid, compile_blueprint, hash_of, validate
from cerebelum_engine.outlook import Outlook
from cerebelum_engine.paths import Path
from cerebelum_proto.types.v1.types_pb import RetryPolicy
from cerebelum_proto.worker import worker_service_pb as pb


def submitted(*steps: pb.Step, stages: list[list[str]] | None = None, name: str = "order") -> pb.Blueprint:
    definition = pb.WorkflowDefinition(timeline=list(steps), stages=[pb.Stage(steps=stage) for stage in stages or []])
    return pb.Blueprint(workflow_module=name, definition=definition)


@pytest.mark.parametrize(
    ("blueprint", "said"),
    [
        (pb.Blueprint(workflow_module="order"), "timeline is empty"),
        (submitted(pb.Step(name="a"), name=""), "workflow has no name"),
        (submitted(pb.Step()), "step 0 of the timeline has no name"),
        (submitted(pb.Step(name="inputs")), "'inputs': the name is reserved"),
        (submitted(pb.Step(name="a"), pb.Step(name="a")), "'a' stands 2 times"),
        (submitted(pb.Step(name="a", depends_on=["b"])), "'a' depends on 'b', which is no step"),
        (
            submitted(pb.Step(name="a", depends_on=["b"]), pb.Step(name="b")),
            "'a' depends on 'b', which does not end before",
        ),
        (
            submitted(pb.Step(name="a", depends_on=["b"]), pb.Step(name="b", depends_on=["a"])),
            "'a', 'b' depend on each other in a cycle",
        ),
        (submitted(pb.Step(name="a", depends_on=["a"])), "'a' depend on each other in a cycle"),
        (submitted(pb.Step(name="a"), stages=[["a"], []]), "stage 1 is empty"),
        (submitted(pb.Step(name="a"), stages=[["a", "z"]]), "'z' is not on the timeline"),
        (submitted(pb.Step(name="a"), pb.Step(name="b"), stages=[["a"]]), "'b' is in no stage"),
        (submitted(pb.Step(name="a"), stages=[["a"], ["a"]]), "'a' stands in 2 stages"),
        (
            submitted(pb.Step(name="a"), pb.Step(name="b", depends_on=["a"]), stages=[["a", "b"]]),
            "move 'a' to an earlier stage",
        ),
        (submitted(pb.Step(name="a", retry=RetryPolicy(max_attempts=-1))), "max_attempts is -1"),
        (submitted(pb.Step(name="a", retry=RetryPolicy(backoff=0.5))), "backoff is 0.5"),
        (submitted(pb.Step(name="a", start_to_close_ms=-5)), "start_to_close_ms is -5"),
    ],
)
def test_a_faulty_blueprint_is_told_what_is_wrong(blueprint: pb.Blueprint, said: str) -> None:
    assert any(said in error for error in validate(blueprint).errors), validate(blueprint).errors
    with pytest.raises(BlueprintInvalid, match="is invalid"):
        compile_blueprint(blueprint)


def test_a_result_of_a_neighbour_is_missed_also_where_rules_lead_back_before_both() -> None:
    lanes = [pb.Lane(stages=[pb.Stage(steps=["c"]), pb.Stage(steps=["d"])]), pb.Lane(stages=[pb.Stage(steps=["e"])])]
    back = [
        pb.DivergeRule(from_step=step, patterns=[pb.PatternMatch(pattern=pattern, route=route)])
        for step, pattern, route in (
            ("d", "ok", pb.Route(action=pb.RouteAction.ROUTE_ACTION_BACK_TO, step="c")),
            ("c", "no", pb.Route(action=pb.RouteAction.ROUTE_ACTION_BACK_TO, step="b")),
        )
    ]
    definition = pb.WorkflowDefinition(
        timeline=[*(pb.Step(name=name) for name in "abcd"), pb.Step(name="e", depends_on=["c"])],
        stages=[pb.Stage(steps=["a"]), pb.Stage(steps=["b"]), pb.Stage(lanes=lanes)],
        diverge_rules=back,
    )
    errors = validate(pb.Blueprint(workflow_module="order", definition=definition)).errors
    assert any("'e' depends on 'c', which does not end before" in error for error in errors), errors


def test_all_faults_are_told_at_once() -> None:
    verdict = validate(submitted(pb.Step(name="a", depends_on=["x"]), pb.Step(name="b", depends_on=["y"])))
    assert len(verdict.errors) == 2


def test_rules_that_only_a_client_can_evaluate_are_a_warning() -> None:
    blueprint = submitted(pb.Step(name="a"), pb.Step(name="b"))
    assert blueprint.definition is not None
    branches = [pb.ConditionBranch(condition="is_dear==true", target="b")]
    blueprint.definition.branch_rules.append(pb.BranchRule(from_step="a", branches=branches))
    patterns = [pb.PatternMatch(pattern="error", target="nowhere")]
    blueprint.definition.diverge_rules.append(pb.DivergeRule(from_step="a", patterns=patterns))
    verdict = validate(blueprint)
    assert not verdict.errors
    assert len(verdict.warnings) == 2


def test_the_hash_is_of_what_runs() -> None:
    steps = (pb.Step(name="a"), pb.Step(name="b", depends_on=["a"]))
    plain = submitted(*steps)
    same = pb.Blueprint(
        workflow_module="order",
        definition=plain.definition,
        language="python",
        source_code="...",
        version="7",
    )
    assert hash_of(plain) == hash_of(same)
    assert hash_of(plain) != hash_of(submitted(*steps, name="another"))
    assert hash_of(plain) != hash_of(submitted(*reversed(steps)))


def test_the_hash_does_not_depend_on_the_order_of_a_map() -> None:
    def with_inputs(*names: str) -> pb.Blueprint:
        inputs = {name: pb.InputDefinition(type="str") for name in names}
        definition = pb.WorkflowDefinition(timeline=[pb.Step(name="a")], inputs=inputs)
        return pb.Blueprint(workflow_module="order", definition=definition)

    assert hash_of(with_inputs("a", "b")) == hash_of(with_inputs("b", "a"))


def skipping(to: str, *stages: pb.Stage) -> list[str]:
    """What is wrong with steps in which 'b' takes what 'a' gives, and a failed 'a' leads to a later step."""
    steps = [pb.Step(name=name, depends_on=["a"] if name == "b" else []) for name in "abcde"]
    skip = pb.Route(action=pb.RouteAction.ROUTE_ACTION_SKIP_TO, step=to)
    rule = pb.DivergeRule(from_step="a", patterns=[pb.PatternMatch(pattern="error", route=skip)])
    definition = pb.WorkflowDefinition(timeline=steps, stages=list(stages), diverge_rules=[rule])
    return list(validate(pb.Blueprint(workflow_module="order", definition=definition)).errors)


def test_mistakes_in_what_steps_take_hide_none_in_the_ways_through_them() -> None:
    def rule(step: str, *patterns: str) -> pb.DivergeRule:
        again = pb.Route(action=pb.RouteAction.ROUTE_ACTION_RETRY)
        return pb.DivergeRule(
            from_step=step, patterns=[pb.PatternMatch(pattern=each, route=again) for each in patterns]
        )

    steps = [pb.Step(name="a"), pb.Step(name="b", depends_on=["nobody"]), pb.Step(name="c")]
    definition = pb.WorkflowDefinition(
        timeline=steps,
        stages=[pb.Stage(steps=[name]) for name in "abc"],
        diverge_rules=[rule("b", "_", "late")],
    )
    errors = validate(pb.Blueprint(workflow_module="order", definition=definition)).errors
    assert [error.partition(":")[0] for error in errors] == [
        "step 'b' depends on 'nobody', which is no step of this workflow",
        "diverge rule from 'b'",
        "step 'c' is never reached",
        "step 'b' can never come to an end",
    ]


def test_a_step_that_is_passed_over_misses_nothing() -> None:
    assert skipping("d", *(pb.Stage(steps=[name]) for name in "abcde")) == []


def test_a_step_beside_the_target_begins_without_the_result_that_was_passed_over() -> None:
    lanes = [pb.Lane(stages=[pb.Stage(steps=["b"])]), pb.Lane(stages=[pb.Stage(steps=["c"]), pb.Stage(steps=["d"])])]
    errors = skipping("d", pb.Stage(steps=["a"]), pb.Stage(lanes=lanes), pb.Stage(steps=["e"]))
    assert [error.split(";")[0] for error in errors] == [
        "step 'b' depends on 'a', which may have no result by then: a rule leads there without it"
    ]


def test_a_default_that_is_always_taken_is_warned_of_and_one_that_may_be_is_not() -> None:
    """A warning alone: a step that several workflows share has a default for what runs in another one."""

    def told(*rules: pb.DivergeRule) -> tuple[str, ...]:
        steps = [pb.Step(name="a"), pb.Step(name="b", depends_on=["c"], optional=["c"]), pb.Step(name="c")]
        stages = [pb.Stage(steps=[step.name]) for step in steps]
        definition = pb.WorkflowDefinition(timeline=steps, stages=stages, diverge_rules=[*rules])
        verdict = validate(pb.Blueprint(workflow_module="order", definition=definition))
        assert not verdict.errors
        return verdict.warnings

    (warning,) = told()
    assert warning.startswith("step 'b' depends on 'c', which never has a result by then: let 'c' run before it, or ")
    back = pb.Route(action=pb.RouteAction.ROUTE_ACTION_BACK_TO, step="a")
    assert told(pb.DivergeRule(from_step="c", patterns=[pb.PatternMatch(pattern="no", route=back)])) == ()


def test_thousands_of_steps_are_looked_through_in_as_many_turns() -> None:
    """When what is known moved on by one step a turn, a thousand steps took a minute; counted here, not timed."""
    names = [f"s{number}" for number in range(2_000)]
    steps = [pb.Step(name=name, depends_on=names[max(at - 1, 0) : at]) for at, name in enumerate(names)]
    definition = submitted(*steps, stages=[[name] for name in names]).definition
    assert definition is not None
    outlook = Outlook(definition)
    turns: list[str] = []
    paths = outlook.analysis.paths

    class Counting(dict[str, Path]):
        def __getitem__(self, path: str) -> Path:
            turns.append(path)
            return paths[path]

    outlook.analysis.paths = Counting(paths)
    assert not list(outlook.errors())
    assert len(turns) < 50 * len(names)


class Name(str):
    """Counts how often it is compared."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Name.compared += 1
        return str.__eq__(self, other)


def test_to_validate_a_step_costs_the_same_however_many_there_are() -> None:
    def comparisons_each(count: int) -> float:
        names = [Name(f"step{number}") for number in range(count)]
        steps = [pb.Step(name=name) for name in names]
        definition = pb.WorkflowDefinition(timeline=steps, stages=[pb.Stage(steps=[name]) for name in names])
        Name.compared = 0
        assert validate(pb.Blueprint(workflow_module="play", definition=definition)).errors == ()
        return Name.compared / count

    assert comparisons_each(400) < 2 * comparisons_each(40) + 1
