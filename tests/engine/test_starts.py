"""What is said at the start of an execution: where its steps go, and how they are tried again."""

from __future__ import annotations

from typing import Any

import pytest

from cerebelum_codegen.runtime.wkt import Timestamp
from cerebelum_engine import (
    DEFAULT_QUEUE,
    FireTimers,
    Fork,
    Limit,
    Migrate,
    Reason,
    Rejected,
    Retry,
    StartExecution,
    State,
    TimeOutTask,
    compile_blueprint,
    decide,
    hash_of,
    new,
    owed_tasks,
    queue_fault,
    reconstruct,
    validate,
)
from cerebelum_engine.status import status_of
from cerebelum_proto.types.v1.types_pb import RetryPolicy
from cerebelum_proto.worker import worker_service_pb as pb
from tests.engine.play import START_NS, Play, payload


def shape(*steps: pb.Step, queue: str = "") -> pb.Blueprint:
    stages = [pb.Stage(steps=[step.name for step in steps])]
    definition = pb.WorkflowDefinition(timeline=list(steps), stages=stages, queue=queue)
    return pb.Blueprint(workflow_module="play", definition=definition)


def queues(state: State) -> dict[str, str]:
    return {task.step: task.queue for task in owed_tasks(state)}


def refused(blueprint: pb.Blueprint, **told: Any) -> Rejected:
    """Why an execution of it cannot be started so."""
    command = StartExecution(execution_id="x", workflow="play", inputs=payload("in"), **told)
    answer = decide(new(compile_blueprint(blueprint)), command, Timestamp.from_ns(START_NS))
    assert isinstance(answer, Rejected)
    return answer


TWO = (pb.Step(name="a"), pb.Step(name="b", queue="gpu"))


def test_a_step_goes_to_its_own_queue_else_to_its_workflows_else_to_the_default_one() -> None:
    assert queues(Play.of(shape(*TWO)).state) == {"a": DEFAULT_QUEUE, "b": "gpu"}
    assert queues(Play.of(shape(*TWO, queue="slow")).state) == {"a": "slow", "b": "gpu"}
    assert queues(Play.of(shape(pb.Step(name="a", queue="default"), queue="slow")).state) == {"a": "default"}


def test_who_starts_an_execution_may_send_all_of_its_steps_elsewhere() -> None:
    play = Play.of(shape(*TWO, queue="slow"), "canary")
    assert queues(play.state) == {"a": "canary", "b": "canary"}
    assert status_of(play.state, play.now).queue == "canary"


def test_the_queue_stays_through_a_retry_a_fork_and_a_migration() -> None:
    play = Play.of(shape(*TWO), "canary")
    play.fail("a")
    play.complete("b")
    forked = new(play.state.blueprint)
    begun = decide(forked, Fork(execution_id="y", origin="x", history=play.history), play.now)
    assert not isinstance(begun, Rejected)
    assert queues(reconstruct(forked, begun)) == {"a": "canary", "b": "canary"}
    play.do(Retry())
    assert queues(play.state) == {"a": "canary"}
    play.do(Migrate(blueprint=shape(pb.Step(name="a", queue="cpu"), TWO[1]), history=list(play.history)))
    assert queues(play.state) == {"a": "canary"}


def test_a_migration_moves_a_step_to_the_queue_of_the_new_blueprint() -> None:
    play = Play.of(shape(*TWO))
    play.do(Migrate(blueprint=shape(pb.Step(name="a", queue="cpu"), TWO[1]), history=list(play.history)))
    assert queues(play.state) == {"a": "cpu", "b": "gpu"}


def test_a_queue_is_a_part_of_the_blueprint_and_its_absence_none() -> None:
    bare = shape(pb.Step(name="a"))
    assert hash_of(bare) != hash_of(shape(pb.Step(name="a", queue="gpu")))
    assert hash_of(bare) != hash_of(shape(pb.Step(name="a"), queue="gpu"))


def test_a_step_that_nobody_took_in_time_says_in_which_queue() -> None:
    play = Play.of(shape(pb.Step(name="a", queue="gpu", schedule_to_start_ms=10)))
    failed, _ = play.do(TimeOutTask(task_id=play.task("a").task_id, limit=Limit.SCHEDULE_TO_START))
    assert "no worker of queue 'gpu' took it within 10 ms" in str(failed)


@pytest.mark.parametrize("name", ["gpu", "a", "eu-west/gpu.v100", "x" * 100, "0"])
def test_what_a_queue_may_be_called(name: str) -> None:
    assert queue_fault(name) == ""


@pytest.mark.parametrize("name", ["", " ", "two words", "-gpu", "gpu/", "x" * 101, "größe", "a\n"])
def test_what_a_queue_may_not_be_called(name: str) -> None:
    assert "is no name: give it 1 to 100 of" in queue_fault(name)


def test_every_wrong_name_in_a_blueprint_is_told_at_once() -> None:
    errors = validate(shape(pb.Step(name="a", queue="b c"), pb.Step(name="d", queue="/"), queue="e f")).errors
    assert [error.partition(" is no name")[0] for error in errors] == [
        "the workflow: queue 'e f'",
        "step 'a': queue 'b c'",
        "step 'd': queue '/'",
    ]


def test_deployed_workers_serve_the_default_queue_only() -> None:
    definition = pb.WorkflowDefinition(timeline=[pb.Step(name="a", queue="gpu")])
    (error,) = validate(pb.Blueprint(workflow_module="old", definition=definition)).errors
    assert error == "step 'a' names queue 'gpu', and deployed workers serve 'default' only: submit stages too"
    old = pb.Blueprint(workflow_module="old", definition=pb.WorkflowDefinition(timeline=[pb.Step(name="a")]))
    answer = refused(old, queue="gpu")
    assert answer.reason is Reason.INVALID
    assert "run on deployed workers, which serve queue 'default' only: leave out queue 'gpu'" in answer.message
    assert queues(Play.of(old, "default").state) == {"a": "default"}


def test_who_starts_an_execution_may_say_how_its_steps_are_tried_again() -> None:
    told = {"a": RetryPolicy(max_attempts=3, initial_interval_ms=10)}
    play = Play(compile_blueprint(shape(*TWO)), retries=told)
    assert [type(fact).__name__ for fact in (*play.fail("a"), *play.fail("b"))] == ["AttemptFailed", "StepFailed"]
    play.pass_ms(10)
    play.do(FireTimers())
    play.fail("a")
    assert [name for name in play.state.open if play.state.steps[name].failures == 2] == ["a"]


def test_all_that_is_wrong_with_a_start_is_told_at_once() -> None:
    retries = {"z": RetryPolicy(), "a": RetryPolicy(max_attempts=-1, jitter=2)}
    message = refused(shape(*TWO), queue="b c", timeout_ms=-1, retries=retries).message
    assert "retries of 'z', which is no step of workflow 'play'" in message
    assert "retries of step 'a': max_attempts is -1" in message
    assert "retries of step 'a': jitter is 2" in message
    assert "timeout_ms is -1" in message
    assert "queue 'b c' is no name" in message
