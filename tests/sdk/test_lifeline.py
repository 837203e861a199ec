"""Signs of life and cancellations, between a running step and its worker. Virtual time, but for threads."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest

from cerebelum import Context, ExecutionResult, Retry, Workflow, WorkflowBuilder, step, workflow
from cerebelum.lifeline import Lifeline
from cerebelum.runner import run_task
from cerebelum.step import AnyStep
from cerebelum.threads import Threads
from cerebelum_codegen.runtime import Timestamp
from cerebelum_proto.worker.worker_service_pb import Task, TaskResult, TaskStatus
from tests.simulation.virtual_time import run


def of(only: AnyStep) -> Workflow:
    @workflow(name="play")
    def play(wf: WorkflowBuilder) -> None:
        wf.timeline(only)

    return play


def executed(only: AnyStep) -> ExecutionResult:
    return run(lambda: of(only).execute())


@step(heartbeat_timeout=timedelta(seconds=10))
async def beats(context: Context[None]) -> str:
    for _ in range(10):
        await asyncio.sleep(9)
        await context.heartbeat()
    return "done"


@step(heartbeat_timeout=timedelta(seconds=10), retry=Retry(max_attempts=2, jitter=0))
async def falls_silent(context: Context[None]) -> str:
    await asyncio.sleep(9)
    await context.heartbeat()
    await asyncio.sleep(11 if context.attempt == 1 else 9)
    return f"done at try {context.attempt}"


@step(heartbeat_timeout=timedelta(seconds=10))
async def never_beats() -> str:
    await asyncio.sleep(11)
    return "done"


def test_a_step_that_gives_signs_of_life_may_run_for_long() -> None:
    assert executed(beats).unwrap() == "done"


def test_a_step_that_falls_silent_fails_and_obeys_its_retry_policy() -> None:
    assert executed(falls_silent).unwrap() == "done at try 2"
    result = executed(never_beats)
    assert result.error is not None
    assert (result.error.kind, result.error.message) == (
        "heartbeat_timeout",
        "the step gave no sign of life for 10 s",
    )


async def ran(
    only: AnyStep, lifeline: Lifeline, interrupt: asyncio.Event | threading.Event, *, drop: bool
) -> TaskResult:
    """Run a step, and stop or drop it once it has begun."""
    task = Task(task_id="x/a/1.1.0", execution_id="x", step_name=only.name)
    running = asyncio.create_task(
        run_task(task, of(only).code, worker_id="w", now=Timestamp, threads=Threads(), lifeline=lifeline)
    )
    if isinstance(interrupt, asyncio.Event):
        await interrupt.wait()
    else:
        await asyncio.to_thread(interrupt.wait)
    if drop:
        lifeline.drop()
    else:
        lifeline.stop()
    running.cancel()
    return await running


def waiting(cleanup: str) -> tuple[AnyStep, asyncio.Event, list[str]]:
    begun, noted = asyncio.Event(), list[str]()

    @step(name="a")
    async def a() -> str:
        begun.set()
        try:
            await asyncio.sleep(1_000)
        except asyncio.CancelledError:
            await asyncio.sleep(5)
            noted.append("cleaned up")
            if cleanup == "raises":
                raise OSError("disk full") from None
            if cleanup == "returns":
                return "finished all the same"
            raise
        return "undisturbed"

    return a, begun, noted


@pytest.mark.parametrize(
    ("cleanup", "status", "kind"),
    [
        ("passes", TaskStatus.CANCELLED, "cancelled"),
        ("raises", TaskStatus.FAILED, "OSError"),
        ("returns", TaskStatus.SUCCESS, ""),
    ],
)
def test_a_step_that_is_told_to_stop_cleans_up_and_its_outcome_is_handed_in(
    cleanup: str, status: TaskStatus, kind: str
) -> None:
    async def main() -> None:
        a, begun, noted = waiting(cleanup)
        result = await ran(a, Lifeline(), begun, drop=False)
        assert (result.status, result.error.kind if result.error else "") == (status, kind)
        assert noted == ["cleaned up"]

    run(main)


def test_of_a_step_that_is_dropped_nothing_is_handed_in() -> None:
    async def main() -> None:
        a, begun, _ = waiting("passes")
        with pytest.raises(asyncio.CancelledError):
            await ran(a, Lifeline(), begun, drop=True)

    run(main)


@pytest.mark.parametrize("looks", ["heartbeat", "cancelled"])
async def test_a_step_in_a_thread_is_waited_for_until_it_has_looked(looks: str) -> None:
    begun, noted = threading.Event(), list[str]()

    @step(name="a")
    def a(context: Context[None]) -> str:
        begun.set()
        pause = threading.Event()
        try:
            while not (looks == "cancelled" and context.cancelled):
                if looks == "heartbeat":
                    context.heartbeat()
                pause.wait(0.001)
        finally:
            noted.append("cleaned up")
        return "stopped by itself"

    result = await ran(a, Lifeline(), begun, drop=False)
    assert result.status is (TaskStatus.CANCELLED if looks == "heartbeat" else TaskStatus.SUCCESS)
    assert noted == ["cleaned up"]
