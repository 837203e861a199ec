"""What a workflow means, seen from a local run: results, failures, retries, waits, and what steps can know."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from cerebelum import (
    ApprovalRejected,
    CerebelumError,
    Context,
    ExecutionFailed,
    ExecutionResult,
    No,
    NonRetryable,
    OutsideStep,
    PendingApproval,
    Retry,
    WorkflowBuilder,
    Yes,
    sleep,
    step,
    wait_for_approval,
    workflow,
)
from cerebelum.step import AnyStep, Part

SOON = timedelta(milliseconds=1)
QUICK = Retry(max_attempts=3, initial_interval=SOON)


async def run(part: Part | Sequence[Part], inputs: object = None, **options: object) -> ExecutionResult:
    @workflow(name="trial")
    def trial(wf: WorkflowBuilder) -> None:
        wf.timeline(part)

    return await trial.execute(inputs, **options)  # type: ignore[arg-type]  # each test passes what it is about


def failing(*errors: Exception, retry: Retry | None = None, name: str = "shaky") -> AnyStep:
    """A step that raises one error a try, then succeeds with how many it raised."""
    left = list(errors)

    async def body() -> int:
        if left:
            raise left.pop(0)
        return len(errors)

    return step(name=name, retry=retry)(body)


# -- results ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("returned", "output"), [({"ok": 7}, 7), (7, 7), (None, None), ({"ok": 1, "more": 2}, {"ok": 1, "more": 2})]
)
async def test_a_bare_value_and_an_ok_are_the_same_result(returned: object, output: object) -> None:
    @step
    async def give() -> object:
        return returned

    result = await run(give)
    assert (result.status, result.output) == ("completed", output)


async def test_an_error_is_a_decision_and_is_not_tried_again() -> None:
    tries: list[int] = []

    @step(retry=QUICK)
    async def decide() -> dict[str, object]:
        tries.append(1)
        return {"error": {"reason": "out of stock", "left": 0}}

    result = await run(decide)
    assert result.status == "failed"
    assert result.error is not None
    assert (result.error.kind, result.error.step) == ("error", "decide")
    assert result.error.reason == {"reason": "out of stock", "left": 0}
    assert len(tries) == 1
    with pytest.raises(ExecutionFailed, match=r"has not completed \(failed\): error"):
        result.unwrap()


async def test_results_reach_the_steps_that_name_them_with_their_types() -> None:
    @step
    async def when(inputs: dict[str, int]) -> datetime:
        return datetime(2026, 1, inputs["day"], tzinfo=UTC)

    @step
    async def pair(inputs: dict[str, int]) -> tuple[int, set[str]]:
        return inputs["day"], {"a", "b"}

    @step
    async def join(when: datetime, pair: tuple[int, set[str]]) -> str:
        return f"{when:%d} {pair[0]} {sorted(pair[1])} {type(pair).__name__}"

    assert (await run([when, pair] >> join, {"day": 9})).unwrap() == "09 9 ['a', 'b'] tuple"


async def test_the_result_of_a_last_group_is_a_mapping() -> None:
    @step
    async def left() -> int:
        return 1

    @step
    async def right() -> int:
        return 2

    assert (await run([left, right])).output == {"left": 1, "right": 2}


async def test_a_value_that_cannot_travel_fails_the_step_and_says_where() -> None:
    @step
    async def give() -> dict[str, object]:
        return {"items": [1, threading.Lock()]}

    result = await run(give)
    assert result.error is not None
    assert "['items'][1] is a _thread.lock, which cannot travel between steps" in result.error.message


# -- failures --------------------------------------------------------------------------------


async def test_an_exception_obeys_the_retry_policy() -> None:
    assert (await run(failing(ValueError("a"), ValueError("b"), retry=QUICK))).output == 2
    result = await run(failing(ValueError("a"), ValueError("b"), ValueError("c"), retry=QUICK))
    assert result.error is not None
    assert (result.status, result.error.kind, result.error.message) == ("failed", "ValueError", "c")
    assert "ValueError: c" in result.error.stacktrace


async def test_without_a_policy_there_is_one_try() -> None:
    assert (await run(failing(ValueError("a")))).status == "failed"


@pytest.mark.parametrize("error", [NonRetryable("never"), KeyError("k")])
async def test_some_errors_are_final_whatever_the_policy(error: Exception) -> None:
    policy = Retry(max_attempts=3, initial_interval=SOON, non_retryable=(KeyError,))
    assert (await run(failing(error, retry=policy))).status == "failed"


async def test_siblings_of_a_failed_step_finish_and_the_first_failure_in_order_counts() -> None:
    finished: list[str] = []

    @step
    async def slow() -> None:
        await asyncio.sleep(0.01)
        finished.append("slow")

    first, second = failing(ValueError("first"), name="first"), failing(ValueError("second"), name="second")
    result = await run([slow, first, second])
    assert result.error is not None
    assert (result.error.step, result.error.message) == ("first", "first")
    assert finished == ["slow"]


async def test_a_step_that_runs_too_long_times_out() -> None:
    @step(timeout=timedelta(milliseconds=10))
    async def stuck() -> None:
        await asyncio.Event().wait()

    result = await run(stuck)
    assert result.error is not None
    assert (result.error.kind, result.error.message) == ("timeout", "the step ran longer than 0.01 s")


async def test_an_execution_that_takes_too_long_fails_whatever_it_waits_for() -> None:
    @step
    async def nap() -> None:
        await sleep(timedelta(days=1))

    result = await run(nap, timeout=timedelta(milliseconds=20))
    assert result.error is not None
    assert result.error.kind == "deadline_exceeded"


# -- what a step can know --------------------------------------------------------------------


async def test_a_step_knows_its_execution_its_place_and_its_try() -> None:
    seen: list[Context[dict[str, int]]] = []

    @step(retry=QUICK)
    async def look(context: Context[dict[str, int]]) -> None:
        seen.append(context)
        await context.heartbeat()
        if context.attempt == 1:
            raise ValueError("once more")

    await run(look, {"a": 1}, execution_id="x-1")
    assert [(c.execution_id, c.workflow_name, c.step_name, c.attempt, c.inputs) for c in seen] == [
        ("x-1", "trial", "look", 1, {"a": 1}),
        ("x-1", "trial", "look", 2, {"a": 1}),
    ]


async def test_a_plain_function_runs_in_a_thread_of_its_own() -> None:
    @step
    def where() -> bool:
        return threading.current_thread() is threading.main_thread()

    assert (await run(where)).output is False


# -- waits -----------------------------------------------------------------------------------


async def test_the_code_after_each_sleep_runs_and_the_code_before_it_runs_again() -> None:
    log: list[str] = []

    @step
    async def nap() -> str:
        log.append("a")
        await sleep(SOON)
        log.append("b")
        await sleep(0.001)
        log.append("c")
        return "rested"

    assert (await run(nap)).output == "rested"
    assert log == ["a", "a", "b", "a", "b", "c"]


async def test_a_sleep_is_not_slept_again_when_the_step_is_tried_again() -> None:
    tries: list[float] = []

    @step(retry=QUICK)
    async def nap() -> int:
        await sleep(SOON)
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("once more")
        return len(tries)

    assert (await run(nap)).output == 2


async def test_a_decision_says_who_when_and_what() -> None:
    asked: list[PendingApproval] = []

    async def approver(request: PendingApproval) -> Yes | No:
        asked.append(request)
        return Yes(response={"limit": 10}, decided_by="Ada")

    @step
    async def sign() -> tuple[str, object, bool]:
        decision = await wait_for_approval("refund", data={"amount": 49})
        return decision.decided_by, decision.response, decision.decided_at.tzinfo is not None

    result = await run(sign, approver=approver)
    assert result.output == ("Ada", {"limit": 10}, True)
    task_id = f"{result.execution_id}/sign/1.1.0"
    assert asked == [PendingApproval(step="sign", approval_type="refund", data={"amount": 49}, task_id=task_id)]


async def test_a_rejection_is_an_exception_that_the_step_may_catch() -> None:
    async def approver(request: PendingApproval) -> Yes | No:
        return No(reason="too dear", decided_by="Bob")

    @step
    async def catches() -> str:
        try:
            await wait_for_approval()
        except ApprovalRejected as rejected:
            return f"{rejected.decided_by}: {rejected.reason}"
        return "yes"

    @step(retry=QUICK)
    async def lets_it_pass() -> None:
        await wait_for_approval()

    assert (await run(catches, approver=approver)).output == "Bob: too dear"
    result = await run(lets_it_pass, approver=approver)
    assert result.error is not None
    assert result.error.kind == "ApprovalRejected"


async def test_an_approval_without_an_approver_says_how_to_give_one() -> None:
    @step
    async def sign() -> None:
        await wait_for_approval()

    with pytest.raises(CerebelumError, match="step 'sign' waits for approval and nobody is there to decide"):
        await run(sign)


async def test_a_step_that_swallows_its_wait_fails_and_is_told_why() -> None:
    @step
    async def greedy() -> str:
        try:
            await sleep(SOON)
        except BaseException:  # what the test is about
            return "swallowed"
        return "slept"

    result = await run(greedy)
    assert result.error is not None
    assert result.error.kind == "WaitMisused"
    assert "the step swallowed the exception with which it waits" in result.error.message


async def test_waits_in_another_order_than_before_fail_the_step() -> None:
    runs: list[int] = []

    async def approver(request: PendingApproval) -> Yes | No:
        return Yes()

    @step
    async def fickle() -> None:
        runs.append(1)
        if len(runs) == 1:
            await sleep(SOON)
        await wait_for_approval()

    result = await run(fickle, approver=approver)
    assert result.error is not None
    assert result.error.kind == "MarkerMismatch"
    assert "wait_for_approval() where on its last run something ended as SleepElapsed" in result.error.message


async def test_waiting_outside_of_a_step_is_refused() -> None:
    with pytest.raises(OutsideStep, match=r"sleep\(\) was called where no step runs"):
        await sleep(1)
    with pytest.raises(OutsideStep, match=r"wait_for_approval\(\) was called where no step runs"):
        await wait_for_approval()


@pytest.mark.parametrize("span", [timedelta(seconds=-1), -0.5])
async def test_a_negative_sleep_is_refused(span: timedelta | float) -> None:
    with pytest.raises(ValueError, match="a duration is not negative"):
        await sleep(span)
