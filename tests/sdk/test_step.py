"""`@step`: the function stays what it is, and what cannot be a step is refused with all that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from cerebelum import Context, DefinitionError, Retry, Step, WorkflowBuilder, step, workflow
from cerebelum_engine.policies import pause_ms


@step
async def double(inputs: int) -> int:
    return inputs * 2


@step(name="half", retry=Retry(max_attempts=5), timeout=timedelta(seconds=3))
def halve(inputs: int, context: Context[int]) -> float:
    return inputs / 2


async def test_a_step_is_called_as_the_function_that_it_is() -> None:
    assert await double(21) == 42
    assert halve(3, Context(inputs=3)) == 1.5


def test_a_step_knows_its_name_its_needs_and_its_policies() -> None:
    assert (double.name, double.takes_inputs, double.takes_context) == ("double", True, False)
    assert (halve.name, halve.takes_inputs, halve.takes_context) == ("half", True, True)
    assert halve.retry == Retry(max_attempts=5)
    assert halve.timeout == timedelta(seconds=3)


async def takes_anything(*args: int) -> None: ...
async def takes_all(**kwargs: int) -> None: ...
async def by_place(a: int, /) -> None: ...
async def plain(inputs: int) -> None: ...


@pytest.mark.parametrize(
    ("define", "said"),
    [
        (lambda: step(takes_anything), r"step 'takes_anything': it takes '\*args': name each step"),
        (lambda: step(takes_all), r"it takes '\*\*kwargs'"),
        (lambda: step(by_place), "parameter 'a' is positional only: steps are called by name"),
        (lambda: step(name="inputs")(plain), "'inputs' is a reserved parameter: give the step another name"),
        (lambda: step(name="no name")(plain), "'no name' is no identifier"),
        (lambda: step(lambda inputs: inputs), "is no identifier: pass a name"),
        (lambda: step(timeout=timedelta(0))(plain), "its timeout is 0:00:00: give it a positive one"),
        (lambda: step(retry=Retry(max_attempts=0))(plain), "its retry allows 0 attempts: allow at least 1"),
        (lambda: step(retry=Retry(backoff=0.5))(plain), "its backoff is 0.5: give a factor from 1 to 1000"),
        (
            lambda: step(retry=Retry(initial_interval=timedelta(0)))(plain),
            "its initial_interval is 0:00:00: give it a positive one",
        ),
    ],
)
def test_what_cannot_be_a_step_is_refused_with_the_mend(define: Callable[[], Step[..., object]], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        define()


def test_the_longest_pause_is_a_minute_or_the_first_where_that_is_longer() -> None:
    def longest_of(policy: Retry) -> int:
        @workflow
        def flow(wf: WorkflowBuilder) -> None:
            wf.timeline(step(retry=policy)(plain))

        return pause_ms(flow.compiled.steps["plain"].retry, 50, "x/plain/1.50.0")

    assert longest_of(Retry(jitter=0)) == 60_000
    assert longest_of(Retry(initial_interval=timedelta(hours=1), jitter=0)) == 3_600_000
    assert longest_of(Retry(max_interval=timedelta(hours=2), jitter=0)) == 7_200_000


def test_all_faults_of_a_step_are_told_at_once() -> None:
    with pytest.raises(DefinitionError) as refused:
        step(name="context", timeout=timedelta(seconds=-1), retry=Retry(max_attempts=0, backoff=0))(takes_all)
    assert len(refused.value.faults) == 5
