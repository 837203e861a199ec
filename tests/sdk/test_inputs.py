"""Inputs that a workflow's first steps could not read are told to whoever starts it; nothing begins with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

import pytest
from pydantic import BaseModel

from cerebelum import Context, DistributedExecutor, Workflow, WorkflowBuilder, end, step, testing, workflow
from cerebelum.step import AnyStep
from cerebelum_client import PayloadError


class Kind(Enum):
    PLAIN = "plain"
    EXPRESS = "express"


@dataclass
class Order:
    number: int
    due: datetime
    kind: Kind = Kind.PLAIN
    skus: list[str] = field(default_factory=list)


@dataclass
class Careful:
    amount: int

    def __post_init__(self) -> None:
        if self.amount < 0:
            raise ValueError("an amount is not negative")


@dataclass
class View:
    number: int
    note: str = ""


class Model(BaseModel):
    amount: int


@step
async def of_order(inputs: Order) -> object:
    return inputs


@step
async def of_careful(inputs: Careful) -> object:
    return inputs


@step
async def of_model(inputs: Model) -> object:
    return inputs


@step
async def of_context(context: Context[Order]) -> object:
    return context.inputs


@step
async def of_maybe(inputs: Order | None) -> object:
    return inputs


@step
async def of_many(inputs: dict[str, datetime]) -> object:
    return inputs


@step
async def of_number(inputs: int) -> object:
    return inputs


@step
async def of_view(inputs: View) -> object:
    return inputs


@step
async def of_anything(inputs: dict[str, object]) -> object:
    return inputs


def over(*steps: AnyStep, condition: str = "") -> Workflow:
    @workflow(name="started")
    def started(wf: WorkflowBuilder) -> None:
        timeline = steps[0] >> steps[1] if len(steps) > 1 else steps[0]
        wf.timeline(timeline)
        if condition:
            wf.branch(steps[0], condition=condition, when_true=end())

    return started


DUE = "2030-01-31T12:00:00+00:00"


@pytest.mark.parametrize(
    ("takes", "inputs", "said"),
    [
        (of_order, {"due": DUE}, "step 'of_order' takes Order: 'number' is missing \\(int\\)"),
        (of_order, {"number": 1, "due": "soon"}, "'due' is 'soon', and no datetime: Invalid isoformat string"),
        (of_order, {"number": 1, "due": DUE, "kind": "slow"}, "'kind' is 'slow', and no Kind: 'slow' is not a valid"),
        (of_order, {"number": 1, "due": DUE, "urgent": True}, "no step takes 'urgent': they take due, kind, number"),
        (of_order, None, "step 'of_order' takes Order: None is none"),
        (of_order, [1], r"step 'of_order' takes Order: \[1\] is none"),
        (of_context, {"number": 1}, "step 'of_context' takes Order: 'due' is missing \\(datetime\\)"),
        (of_maybe, {"number": 1}, "missing 1 required positional argument: 'due'"),
        (of_many, {"a": DUE, "b": "soon"}, "Invalid isoformat string: 'soon'"),
        (of_careful, {"amount": -1}, "step 'of_careful' takes Careful: .*an amount is not negative"),
        (of_model, {"amount": "much"}, "step 'of_model' takes Model: (?s:.*)amount"),
    ],
)
async def test_what_its_first_step_could_not_read_starts_nothing(takes: AnyStep, inputs: object, said: str) -> None:
    order = over(takes)
    with pytest.raises(PayloadError, match=f"workflow 'started' cannot be started with these inputs: (?s:.*){said}"):
        await order.execute(inputs)
    async with testing.core([order]) as core:
        with pytest.raises(PayloadError, match=said):
            await core.start(order, inputs, execution_id="x")
        by_name = await DistributedExecutor(core.core).submit("started", inputs, execution_id="x")
        await core.settle()
        status = (await by_name.status()).status
        unread = "no step takes" not in said and "is none" not in said
        assert (status == "failed") is unread, "the step is the judge of what cannot be read"


@pytest.mark.parametrize(
    ("takes", "inputs"),
    [
        (of_order, Order(1, datetime.fromisoformat(DUE))),
        (of_order, {"number": 1, "due": DUE, "kind": "express", "skus": []}),
        (of_order, {"number": 1, "due": datetime.fromisoformat(DUE)}),
        (of_order, {"number": "no number, which only the step can mind", "due": DUE}),
        (of_context, {"number": 1, "due": DUE}),
        (of_maybe, None),
        (of_careful, {"amount": 1}),
        (of_careful, View(3)),
        (of_model, {"amount": "7"}),
        (of_number, "no number, which only the step can mind"),
        (of_anything, {"a": 1}),
    ],
)
async def test_what_can_be_read_is_taken(takes: AnyStep, inputs: object) -> None:
    if isinstance(inputs, View):
        with pytest.raises(PayloadError, match="takes Careful"):
            await over(takes).execute(inputs)
        return
    assert (await over(takes).execute(inputs)).status == "completed"


@pytest.mark.parametrize(
    ("started", "inputs"),
    [
        (over(of_view, of_careful), {"number": 1, "amount": 2}),
        (over(of_view, of_anything), {"number": 1, "more": 2}),
        (over(of_view, condition="inputs.more == 2"), {"number": 1, "more": 2}),
    ],
)
async def test_an_input_is_known_when_any_step_or_condition_may_take_it(started: Workflow, inputs: object) -> None:
    assert (await started.execute(inputs)).status == "completed"


async def test_who_has_a_rule_for_what_cannot_be_read_may_be_given_it() -> None:
    @workflow
    def order(wf: WorkflowBuilder) -> None:
        wf.timeline(of_order)
        wf.diverge(of_order, {"PayloadError": of_anything})

    assert (await order.execute({"number": 1})).output == {"number": 1}


async def test_only_the_steps_that_surely_run_have_a_say() -> None:
    @workflow
    def order(wf: WorkflowBuilder) -> None:
        wf.timeline(of_anything >> of_careful)
        wf.branch(of_anything, condition="true", when_true=end())

    assert (await order.execute({"number": 1})).status == "completed"
