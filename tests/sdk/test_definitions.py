"""What is put together wrongly is refused where it is written, in words that say what to write instead."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import pytest

from cerebelum import (
    CerebelumError,
    Converter,
    DefinitionError,
    DistributedExecutor,
    No,
    Retry,
    Worker,
    WorkerError,
    Workflow,
    WorkflowBuilder,
    Yes,
    back_to,
    end,
    fail,
    retry,
    skip_to,
    step,
    testing,
    wait_for_signal,
    workflow,
)
from cerebelum_client import AddressError


@step
def a(inputs: int) -> int:
    return inputs


@step
def b(a: int) -> int:
    return a


def plain(a: int) -> int:
    return a


def policy(**policy: Any) -> Callable[[], object]:
    return lambda: step(**policy)(plain)


def worker(**told: Any) -> Callable[[], object]:
    return lambda: Worker(**{"workflows": [flow(nothing)()]} | told)


def flow(say: Callable[[WorkflowBuilder], object]) -> Callable[[], Workflow]:
    def define() -> Workflow:
        @workflow
        def flow(wf: WorkflowBuilder) -> None:
            wf.timeline(a >> b)
            say(wf)

        return flow

    return define


async def is_async(wf: WorkflowBuilder) -> None:
    wf.timeline(a)


def answers(wf: WorkflowBuilder) -> object:
    return a >> b


def takes_nothing() -> None: ...


def nothing(wf: WorkflowBuilder) -> None:
    """Nothing beside the timeline."""


def nothing_else(wf: WorkflowBuilder) -> None:
    wf.timeline(a)


MONEY = Converter("money", complex, str, complex)


def method(self: object) -> None: ...


@pytest.mark.parametrize(
    ("define", "told"),
    [
        (policy(retry=3), "its retry is 3: give a policy, as in Retry(max_attempts=3)"),
        (policy(timeout=5), "its timeout is 5: give a timedelta, as in timedelta(seconds=30)"),
        (policy(retry=Retry(initial_interval=1)), "its initial_interval is 1: give a timedelta"),
        (policy(queue_timeout=timedelta(0)), "its queue_timeout is 0:00:00: give it a positive one"),
        (policy(queue="two words"), "queue 'two words' is no name: give it 1 to 100 of the letters"),
        (policy(queue=7), "queue 7 is no name: give a text"),
        (lambda: workflow(queue="-")(nothing_else), "the workflow: queue '-' is no name"),
        (lambda: workflow(queue="")(nothing_else), "its queue is empty: name one, or leave it out"),
        (lambda: Worker(workflows=[flow(nothing)()], queues="gpu"), "pass a list, queues=['gpu']"),
        (lambda: Worker(workflows=[flow(nothing)()], queues=["a b", "gpu", 7]), "letter or digit; queue 7 is no name"),
        (lambda: step("pay"), "'pay' is no function: write @step(name='pay')"),
        (lambda: step(a), "step 'a': it is a step already: decorate it once"),
        (lambda: step(method), "it takes 'self': a step is a function of its own, no method"),
        (lambda: a >> plain, "function 'plain' is no step: decorate it with @step"),
        (lambda: a >> "b", "'b' is no step: name decorated functions, and compose them as in a >> b"),
        (lambda: workflow(is_async), "workflow 'is_async': its definition is async: write a plain `def`"),
        (lambda: workflow(answers), "its definition returns something: pass it to wf.timeline(...)"),
        (lambda: workflow(takes_nothing), "its definition takes one thing: def takes_nothing(wf)"),
        (lambda: workflow("order"), "'order' is no function: write @workflow(name=...) over one"),
        (flow(lambda wf: wf.diverge(plain, {"error": end()})), "function 'plain' is no step: name the decorated"),
        (
            flow(lambda wf: wf.diverge(a, {KeyError: end()})),
            "its pattern <class 'KeyError'> is no text: write 'KeyError'",
        ),
        (flow(lambda wf: wf.diverge(a, {True: end()})), "its pattern True is no text: write 'true'"),
        (flow(lambda wf: wf.diverge(a, {"error": fail})), "function 'fail' is no step: call it, as in fail()"),
        (flow(lambda wf: wf.branch(a, {"a > 1": retry})), "function 'retry' is no step: call it, as in retry()"),
        (flow(lambda wf: wf.diverge(a, "error")), "a diverge rule: 'error' is no mapping: write {pattern: where"),
        (flow(lambda wf: wf.branch(a, [b])), "is no mapping: write {condition: where it leads}"),
        (flow(lambda wf: wf.branch(a, {3: end()})), "the condition 3 is none: write an expression, or pass a function"),
        (flow(lambda wf: wf.branch(a, when_true=b)), "a branch: give condition= and when_true= together"),
        (flow(lambda wf: wf.branch(a, when_false=b)), "it has no condition: give condition= and when_true= together"),
        (flow(lambda wf: wf.branch(a, {"a > 1": b}, when_false=b, otherwise=b)), "give when_false= or otherwise=, not"),
        (flow(lambda wf: wf.signals()), "it names none: leave it out, and the workflow takes any"),
        (flow(lambda wf: wf.signals("paid", 3)), "wf.signals: 3 is no name: give a text"),
        (lambda: fail(3), "its reason 3 is no text: write fail('3')"),
        (lambda: step(int), "int is a class: decorate a function"),
        (policy(name=3), "its name 3 is no text"),
        (lambda: workflow(name=3)(nothing_else), "its name 3 is no text"),
        (policy(retry=Retry(max_attempts="3")), "its max_attempts is '3': give a number"),
        (policy(retry=Retry(non_retryable="Declined")), "its non_retryable is 'Declined', and not several: write ('De"),
        (policy(retry=Retry(non_retryable=KeyError)), "its non_retryable is KeyError, and not several: write (KeyEr"),
        (lambda: workflow(max_visits=0)(nothing_else), "max_visits is 0: let each step be visited once"),
        (lambda: back_to(None), "back_to(): None is no step: name one decorated function"),
        (lambda: skip_to(plain), "skip_to(): function 'plain' is no step: name one decorated function"),
        (lambda: back_to(a >> b), "is no step: name one decorated function"),
        (lambda: workflow(max_visits="3")(nothing_else), "max_visits is '3': give a whole number"),
        (lambda: workflow(max_visits=1.5)(nothing_else), "max_visits is 1.5: give a whole number"),
        (lambda: workflow(max_visits=2**40)(nothing_else), "visited once, and 2147483647 times at most"),
        (lambda: workflow(queue=3)(nothing_else), "its queue is 3: give a text"),
        (lambda: workflow(name="\ud800")(nothing_else), "it cannot be sent: cerebelum.worker.Blueprint."),
        (flow(lambda wf: wf.diverge(a, {"\ud800": end()})), "it cannot be sent: "),
        (lambda: workflow(converters=3)(nothing_else), "its converters are 3: give a list"),
        (lambda: workflow(converters=MONEY)(nothing_else), "its converters are Converter(name='money'"),
        (lambda: workflow(converters=[3])(nothing_else), "its converter 3 is none: give a Converter(name, kind, write"),
        (lambda: workflow(converters=[MONEY, MONEY])(nothing_else), "two converters have one name: give each its own"),
        (policy(retry=Retry(non_retryable=[3])), "its non_retryable holds 3: give a kind of exceptions, or its name"),
        (policy(retry=Retry(non_retryable=3)), "its non_retryable is 3: give kinds of exceptions, as in (ValueError,)"),
        (policy(retry=Retry(max_attempts=10**12)), "its retry allows 1000000000000 attempts: allow at least 1, at"),
        (lambda: a.named(3), "its name 3 is no text"),
        (worker(concurrency="3"), "concurrency is '3': give a whole number"),
        (worker(concurrency=1.5), "concurrency is 1.5: give a whole number"),
        (worker(concurrency=0), "concurrency is 0: a worker runs at least 1 step at a time"),
        (worker(drain_s="x"), "drain_s is 'x': give seconds"),
        (worker(drain_s=math.nan, worker_id=3), "worker_id is 3: give a text; drain_s is nan: give seconds"),
        (worker(queues=3), "queues is 3: pass a list, queues=[3]"),
        (worker(workflows=3), "workflows is 3: pass a list, workflows=[...]"),
        (lambda: Worker(workflows=flow(nothing)()), "workflows is workflow 'flow' alone: pass a list"),
    ],
)
def test_it_is_refused_and_says_what_to_write(define: Callable[[], object], told: str) -> None:
    with pytest.raises(CerebelumError) as raised:
        define()
    assert told in str(raised.value)


def test_all_that_is_wrong_with_a_step_is_told_at_once() -> None:
    with pytest.raises(DefinitionError) as raised:
        step(timeout=5, heartbeat_timeout=timedelta(-1), retry=3, queue="")(plain)
    assert len(raised.value.faults) == 4


def test_a_jump_that_leads_the_wrong_way_is_told_once() -> None:
    with pytest.raises(DefinitionError) as raised:
        flow(lambda wf: wf.diverge(a, {"late": back_to(b), "early": back_to(b)}))()
    assert raised.value.faults == ("back_to('b') from 'a' leads forward: write skip_to('b')",)


def test_what_is_no_core_is_refused() -> None:
    core: Any = 3
    for define in (lambda: DistributedExecutor(core), lambda: Worker(core, workflows=[flow(nothing)()])):
        with pytest.raises(AddressError, match="3 is no Core: give a client, or an address as in 'localhost:50051'"):
            define()


async def test_one_workflow_is_no_list_of_them_and_a_step_is_no_workflow() -> None:
    only: Any = flow(nothing)()
    with pytest.raises(WorkerError, match="workflows is workflow 'flow' alone: pass a list"):
        await testing.core(only).__aenter__()
    async with testing.core([only]) as core:
        for wrong in (a, 3):
            with pytest.raises(DefinitionError, match="is no workflow: give one, or the name of one"):
                await DistributedExecutor(core.core).submit(cast("str", wrong))


def test_a_number_is_no_duration_wherever_one_is_asked_for() -> None:
    with pytest.raises(TypeError, match=r"30 is no duration: give a timedelta"):
        asyncio.run(flow(nothing)().execute(1, timeout=30))


@pytest.mark.parametrize("way", [{}, {"store": "memory://"}])
async def test_an_empty_id_does_not_stand_for_a_new_one(way: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="its id is empty, and each start would begin another one"):
        await flow(nothing)().execute(1, execution_id="", store=way.get("store"))


async def test_options_of_a_wrong_kind_are_named() -> None:
    wrong: Any = 5
    async with testing.core([flow(nothing)()]) as core:
        executor = DistributedExecutor(core.core)
        with pytest.raises(TypeError, match=r"retries is 5: give one a step, as in \{'charge': Retry"):
            await executor.submit(flow(nothing)(), retries=wrong)
        with pytest.raises(TypeError, match="tags is 5: give a list of texts"):
            await executor.submit(flow(nothing)(), tags=wrong)


async def test_what_is_no_signal_is_not_sent() -> None:
    @step
    async def waits() -> None:
        await wait_for_signal("paid")

    @workflow
    def waiting(wf: WorkflowBuilder) -> None:
        wf.timeline(waits)

    wrong: Any = [5]
    for store in (None, "memory://"):
        with pytest.raises(TypeError, match=r"signals holds 5: give signals, as in signals=\[Signal"):
            await waiting.execute(signals=wrong, store=store)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"distributed": True, "store": "memory://"}, "either distributed=True or store="),
        ({"core_url": "core:1"}, "pass distributed=True with it"),
        ({"queue": "gpu"}, "says which workers of a Core: pass distributed=True with it"),
        ({"queue": "gpu", "store": "memory://"}, "says which workers of a Core: pass distributed=True with it"),
        ({"distributed": True, "approver": print}, "cerebelum approve"),
    ],
)
def test_an_argument_for_another_place_is_refused(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        asyncio.run(flow(nothing)().execute(1, **arguments))


def test_an_approver_answers_in_few_words() -> None:
    assert (Yes({"limit": 3}).response, No("too risky", decided_by="Bob").reason) == ({"limit": 3}, "too risky")
