from __future__ import annotations

import asyncio

import pytest

from cerebelum import (
    DefinitionError,
    Step,
    Workflow,
    WorkflowBuilder,
    back_to,
    end,
    fail,
    mapping,
    proceed,
    retry,
    skip_to,
    step,
    workflow,
)
from cerebelum.conditions import TextCondition
from cerebelum.rules import Condition


@step
async def first(inputs: object) -> object:
    return inputs


other = first.named("other")


@step
async def second(first: object = "no first") -> str:
    return f"second after {first}"


@step
async def third(second: str = "no second") -> str:
    return f"third after {second}"


@step
async def repair(inputs: object) -> str:
    return "repaired"


async def test_a_condition_in_cel_takes_a_path_and_returns() -> None:
    @workflow
    def order(wf: WorkflowBuilder) -> None:
        wf.timeline(first >> second)
        wf.branch(first, condition="first.amount > 100 && inputs.amount < 1000", when_true=repair)

    assert (await order.execute({"amount": 500})).output == "second after {'amount': 500}"
    blueprint = order.blueprint.definition
    assert blueprint is not None
    assert [step.name for step in blueprint.timeline] == ["first", "second", "repair"]


async def test_a_predicate_is_asked_by_the_worker_and_first_of_several_counts() -> None:
    @workflow
    def order(wf: WorkflowBuilder) -> None:
        wf.timeline(first >> second)
        wf.branch(
            first,
            {lambda value: value == 1: skip_to(second), "first == 2": fail("two"), lambda value: value > 1: end()},
            otherwise=fail("otherwise"),
        )

    assert (await order.execute(1)).output == "second after 1"
    assert (await order.execute(3)).output == 3
    two, other = await order.execute(2), await order.execute(-1)
    assert [each.error.message if each.error else "" for each in (two, other)] == ["two", "otherwise"]


@pytest.mark.parametrize(
    ("condition", "said"),
    [("first.amount > 100", "a mapping has no member 'amount'"), (lambda value: value["amount"], "KeyError: 'amount'")],
    ids=["text", "predicate"],
)
async def test_a_condition_without_an_answer_fails_the_execution_and_says_why(condition: Condition, said: str) -> None:
    @workflow
    def order(wf: WorkflowBuilder) -> None:
        wf.timeline(first >> second)
        wf.branch(first, condition=condition, when_true=repair, when_false=proceed())

    error = (await order.execute({})).error
    assert error is not None
    assert error.kind == "condition_failed"
    assert "of step 'first' cannot be evaluated" in error.message
    assert said in error.message


@pytest.mark.parametrize("store", [None, "memory://"])
async def test_a_predicate_whose_words_cannot_travel_fails_the_execution_all_the_same(store: str | None) -> None:
    def unspeakable(value: object) -> bool:
        raise ValueError("\ud800" + "x" * 5_000_000)

    @workflow
    def order(wf: WorkflowBuilder) -> None:
        wf.timeline(first >> second)
        wf.branch(first, condition=unspeakable, when_true=repair, when_false=proceed())

    error = (await order.execute({}, store=store)).error
    assert error is not None
    assert error.kind == "condition_failed"
    assert "ValueError: \\ud800xxx" in error.message
    assert len(error.message) < 100_000


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


@pytest.mark.parametrize("raised", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), Unspeakable()])
@pytest.mark.parametrize("store", [None, "memory://"])
def test_whatever_a_predicate_raises_is_a_condition_without_an_answer(raised: BaseException, store: str | None) -> None:
    def ends(_: object) -> bool:
        raise raised

    @workflow
    def order(wf: WorkflowBuilder) -> None:
        wf.timeline(first >> second)
        wf.branch(first, condition=ends, when_true=repair)

    error = asyncio.run(order.execute(1, store=store)).error
    assert error is not None
    assert error.kind == "condition_failed"
    assert f"it raised {type(raised).__name__}: " in error.message


async def test_a_condition_that_would_run_for_ever_is_stopped() -> None:
    @workflow
    def order(wf: WorkflowBuilder) -> None:
        wf.timeline(first >> second)
        wf.branch(first, condition="first.all(a, first.all(b, first.all(c, a + b + c > 0)))", when_true=repair)

    error = (await order.execute(list(range(1, 1000)))).error
    assert error is not None
    assert "10,000 steps" in error.message


async def test_a_loop_ends_with_a_clear_failure_when_it_goes_round_too_often() -> None:
    rounds = 0

    @step
    async def work() -> int:
        nonlocal rounds
        rounds += 1
        return rounds

    @workflow(max_visits=5)
    def loop(wf: WorkflowBuilder) -> None:
        wf.timeline(first >> work >> second)
        wf.diverge(work, {"100": proceed(), "ok": back_to(first)})

    error = (await loop.execute(1)).error
    assert error is not None
    assert (error.kind, error.step, rounds) == ("too_many_visits", "first", 5)
    assert "more than 5 times" in error.message


async def test_a_step_is_repaired_and_tried_again_and_knows_of_it() -> None:
    @step
    async def check(repair: str = "not repaired") -> dict[str, str]:
        return {"error": "broken"} if repair == "not repaired" else {"ok": repair}

    @workflow
    def order(wf: WorkflowBuilder) -> None:
        wf.timeline(check >> third)
        wf.diverge(check, {"broken": repair >> check})

    result = await order.execute()
    assert result.output == "third after no second"
    assert result.status == "completed"


async def test_groups_hold_sequences_and_compositions_are_reused() -> None:
    both = [first >> second, repair]

    @workflow
    def order(wf: WorkflowBuilder) -> None:
        wf.timeline(
            both, third, [first.named("first_again") >> [third.named("x"), third.named("y")], repair.named("z")]
        )

    result = await order.execute(1)
    assert result.output == {"x": "third after second after 1", "y": "third after second after 1", "z": "repaired"}


def test_a_list_may_stand_before_a_step_of_any_kind() -> None:
    composed = [first >> second, repair] >> third
    assert [each.name for each in composed.steps()] == ["first", "second", "repair", "third"]


def test_a_mapping_pattern_is_json_whatever_the_order_of_its_members() -> None:
    assert mapping(state="declined", code=7) == mapping(code=7, state="declined") == '{"code": 7, "state": "declined"}'
    with pytest.raises(DefinitionError, match="not JSON serializable"):
        mapping(step=first)


def built(*rules: object) -> Workflow:
    @workflow
    def order(wf: WorkflowBuilder) -> None:
        wf.timeline(first >> second >> third)
        for rule in rules:
            if isinstance(rule, tuple):
                wf.diverge(*rule)

    return order


@step
async def lonely(second: str) -> str:
    return second


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([(first, {"ok": retry(), "error": retry()})], "step 'first' can never come to an end"),
        ([(first, {"_": end()})], "step 'second' is never reached"),
        ([(first, {"_": skip_to(third)})], "step 'second' is never reached"),
        ([(first, {"ok": end(), "error": proceed(), "no": end()})], "pattern 'no' can never match"),
        ([(first, {"no": back_to(second)})], "back_to('second') from 'first' leads forward: write skip_to('second')"),
        ([(second, {"no": skip_to(first)})], "skip_to('first') from 'second' leads back: write back_to('first')"),
        ([(first, {"no": back_to("nowhere")})], "leads to 'nowhere', which is no step"),
        ([(second, {"no": first >> repair})], "leads over 'first', which stands on what it leaves"),
        ([(first, {"no": lonely})], "'lonely' depends on 'second', which never has a result by then"),
        (
            [(second, {"no": lonely >> third, "error": lonely})],
            "'lonely' depends on 'second', which may have no result",
        ),
        ([(first, {"no": lonely}), (first, {"yes": lonely})], "it has one already"),
        ([(first, {})], "it is empty: say where it leads"),
        ([(first, {"no": "nonsense"})], "'nonsense' is no step"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused_where_it_is_written(
    rules: list[tuple[Step[..., object], object]], said: str
) -> None:
    with pytest.raises(DefinitionError) as refused:
        built(*rules)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("first >", "something is missing, at its end"),
        ("unknown > 1", "'unknown' is unknown: name `inputs` or a step"),
        ("1 + 1", "it gives int, not a yes or no"),
        ("first == 1" + " || first == 1" * 200, "at most 2000 are evaluated"),
        (lambda: True, "must take one argument"),
    ],
)
def test_a_condition_that_cannot_be_evaluated_is_refused(condition: Condition, said: str) -> None:
    with pytest.raises(DefinitionError) as refused:

        @workflow
        def order(wf: WorkflowBuilder) -> None:
            wf.timeline(first >> second)
            wf.branch(first, condition=condition, when_true=repair)

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("branching", "condition", "named"),
    [
        (first, "second == 'yes'", "second"),
        (first, "inputs == 1 || third.ok", "third"),
        (second, "first == 1 && repair == 'repaired'", "repair"),
        (other, "second == 'yes'", "second"),
    ],
)
def test_a_condition_over_what_is_never_there_is_refused(
    branching: Step[..., object], condition: str, named: str
) -> None:
    with pytest.raises(DefinitionError) as refused:

        @workflow
        def order(wf: WorkflowBuilder) -> None:
            wf.timeline(first >> second >> third)
            wf.diverge(first, {"no": other, "bad": repair})
            wf.branch(branching, condition=condition, when_true=end())

    said = f"condition '{condition}' names '{named}', which never has a result when '{branching.name}' ends: let"
    assert said in str(refused.value)


async def test_a_condition_may_name_what_is_there_on_some_way_or_is_no_step_but_a_variable() -> None:
    @workflow
    def order(wf: WorkflowBuilder) -> None:
        wf.timeline(first >> second >> third)
        wf.branch(first, condition="[1, 2].exists(third, third == first)", when_true=repair)
        wf.branch(second, condition="first == 1 && repair == 'repaired'", when_true=end())

    assert (await order.execute(1)).output == "second after 1"
    assert (await order.execute(3)).output == "third after second after 3"


def test_a_condition_of_the_worker_may_name_what_its_step_gives_and_takes() -> None:
    def order(text: str) -> Workflow:
        @workflow
        def order(wf: WorkflowBuilder) -> None:
            wf.timeline(first >> second >> third)
            wf.branch(second, {TextCondition("second", text): end()})

        return order

    assert order("second == 'yes' && first == 1").name == "order"
    with pytest.raises(
        DefinitionError, match="'third' is unknown: .*; its worker sees what the step gives and takes, se"
    ):
        order("third == 'yes'")


def test_what_stands_beside_the_target_of_a_skip_is_reached() -> None:
    """Lanes begin with the lane that is skipped to, and go on; what was skipped itself would not."""

    @workflow
    def order(wf: WorkflowBuilder) -> None:
        wf.timeline(first >> second >> [third, other >> repair])
        wf.diverge(first, {"_": skip_to(third)})
        wf.diverge(third, {"no": back_to(second)})


def test_two_lanes_may_not_share_a_step_of_their_paths() -> None:
    with pytest.raises(DefinitionError, match="'repair' stands on paths from 'first' and from 'other', which may run"):

        @workflow
        def order(wf: WorkflowBuilder) -> None:
            wf.timeline([first, other] >> third)
            wf.branch(first, condition="true", when_true=repair)
            wf.branch(other, condition="true", when_true=repair)


def test_what_runs_beside_a_step_cannot_be_taken_even_with_a_default() -> None:
    with pytest.raises(DefinitionError, match="'second' depends on 'first', which may run beside it"):

        @workflow
        def order(wf: WorkflowBuilder) -> None:
            wf.timeline([first, second] >> third)


def test_a_path_may_take_what_its_route_waits_for_and_nothing_that_runs_beside_it() -> None:
    @workflow
    def leaves(wf: WorkflowBuilder) -> None:
        wf.timeline([first, other] >> third)
        wf.diverge(other, {"no": second})

    with pytest.raises(DefinitionError, match="'second' depends on 'first', which may run beside it"):

        @workflow
        def returns(wf: WorkflowBuilder) -> None:
            wf.timeline([first, other] >> third)
            wf.branch(other, condition="true", when_true=second)


async def test_two_lanes_may_share_a_path_that_leaves_both() -> None:
    @workflow
    def order(wf: WorkflowBuilder) -> None:
        wf.timeline([first, other] >> third)
        wf.diverge(first, {"1": repair})
        wf.diverge(other, {"1": repair})

    assert (await order.execute(1)).output == "repaired"
