"""What callers of the worker service are told: statuses, outcomes and what they can do about it."""

from __future__ import annotations

import asyncio

import pytest

from cerebelum_codegen.runtime import Timestamp
from cerebelum_codegen.runtime.rpc import RpcError, StatusCode
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.worker import worker_service_pb as pb
from tests.core.edges.streams import HERE, ONE, Core, done, memory_core
from tests.simulation.virtual_time import in_virtual_time

NEW, RECORDED, DUPLICATE, STALE = (
    pb.ResultOutcome.RESULT_OUTCOME_UNSPECIFIED,
    pb.ResultOutcome.RESULT_OUTCOME_RECORDED,
    pb.ResultOutcome.RESULT_OUTCOME_DUPLICATE,
    pb.ResultOutcome.RESULT_OUTCOME_STALE,
)


async def register(core: Core, worker_id: str = "w", incarnation: str = "a", held: tuple[str, ...] = ()) -> None:
    registration = pb.RegisterRequest(
        worker_id=worker_id,
        features=[pb.WorkerFeature.WORKER_FEATURE_MARKERS],
        workflows=[pb.WorkflowVersion(workflow_hash=core.workflow_hash)],
        incarnation=incarnation,
        held_task_ids=list(held),
    )
    await core.node.worker_edge.register(registration, HERE)


async def poll(core: Core, worker_id: str = "w", timeout_ms: int = 0) -> pb.Task:
    return await core.node.worker_edge.poll_for_task(pb.PollRequest(worker_id=worker_id, timeout_ms=timeout_ms), HERE)


async def submit(core: Core, result: pb.TaskResult) -> pb.ResultOutcome:
    return (await core.node.worker_edge.submit_result(result, HERE)).outcome


@in_virtual_time
async def test_a_worker_without_a_name_is_no_worker() -> None:
    async with memory_core() as core:
        with pytest.raises(RpcError, match="worker_id is empty: choose an id") as refused:
            await register(core, "")
        assert refused.value.code is StatusCode.INVALID_ARGUMENT


@in_virtual_time
async def test_a_worker_that_is_not_known_is_told_to_register() -> None:
    async with memory_core() as core:
        with pytest.raises(RpcError, match="worker 'w' is not registered: call Register") as refused:
            await poll(core)
        assert refused.value.code is StatusCode.NOT_FOUND
        beat = await core.node.worker_edge.heartbeat(pb.HeartbeatRequest(worker_id="w"), HERE)
        assert not beat.acknowledged
        assert beat.commands == ["register"]


@in_virtual_time
async def test_a_poll_waits_at_most_half_a_minute_and_never_less_than_nothing() -> None:
    async with memory_core() as core:
        await register(core)
        clock = asyncio.get_running_loop().time
        for asked_ms, waited_s in ((-5, 0), (0, 0), (1_500, 1.5), (10_000_000, 30)):
            began = clock()
            assert (await poll(core, timeout_ms=asked_ms)).task_id == ""
            assert clock() - began == waited_s


@in_virtual_time
async def test_a_result_is_recorded_once_and_its_sender_is_told_which_it_was() -> None:
    async with memory_core() as core:
        await register(core)
        await core.start("x")
        task = await poll(core)
        assert await submit(core, done(task)) is RECORDED
        assert await submit(core, done(task)) is DUPLICATE
        assert await core.recorded("x") == ["first"]


@in_virtual_time
async def test_a_result_that_comes_after_its_task_has_moved_on_is_stale() -> None:
    async with memory_core() as core:
        await register(core)
        await core.start("x")
        task = await poll(core)
        await asyncio.sleep(31)
        assert (await poll(core)).task_id != task.task_id
        assert await submit(core, done(task)) is STALE
        assert await core.recorded("x") == []


@in_virtual_time
async def test_a_sleep_of_a_worker_that_was_forgotten_meanwhile_still_goes_on_after_it() -> None:
    async with memory_core() as core:
        await register(core)
        await core.start("x")
        task = await poll(core)
        await core.node.workers.forget("w")
        result = pb.TaskResult(
            task_id=task.task_id,
            execution_id="x",
            worker_id="w",
            status=pb.TaskStatus.SLEEP,
            started_at=Timestamp(1),
            sleep_request=pb.SleepRequest(duration_ms=1000),
        )
        assert await submit(core, result) is RECORDED
        fact = (await core.store.read("x"))[-1].fact
        assert isinstance(fact, ev.SleepStarted)
        assert fact.output is None, "with one, the step would be over when its sleep is"


@in_virtual_time
async def test_a_result_for_an_execution_that_never_was_is_stale() -> None:
    async with memory_core() as core:
        result = pb.TaskResult(task_id="y/a/1.1.0", execution_id="y", status=pb.TaskStatus.SUCCESS, output=ONE)
        assert await submit(core, result) is STALE


@in_virtual_time
async def test_a_result_that_says_nothing_is_refused_and_its_task_stays_owed() -> None:
    async with memory_core() as core:
        await register(core)
        await core.start("x")
        task = await poll(core)
        for status in (pb.TaskStatus.TASK_STATUS_UNSPECIFIED, pb.TaskStatus.SLEEP, pb.TaskStatus.APPROVAL):
            with pytest.raises(RpcError) as refused:
                await submit(core, pb.TaskResult(task_id=task.task_id, execution_id="x", worker_id="w", status=status))
            assert refused.value.code is StatusCode.INVALID_ARGUMENT
        assert await submit(core, done(task)) is RECORDED


@in_virtual_time
async def test_what_a_worker_had_when_it_died_moves_on_when_its_new_process_registers() -> None:
    async with memory_core() as core:
        await register(core, incarnation="a")
        await core.start("x")
        task = await poll(core)
        await register(core, incarnation="b")
        await asyncio.sleep(0.1)
        again = await poll(core)
        assert (again.step_name, again.attempt) == (task.step_name, 2)


@in_virtual_time
async def test_the_same_process_keeps_what_is_on_its_way_to_it_when_it_registers_again() -> None:
    async with memory_core() as core:
        await register(core)
        await core.start("x")
        task = await poll(core)
        await register(core)  # an answer to another poll of it was lost
        await asyncio.sleep(0.1)
        assert (await poll(core)).task_id == ""
        assert await submit(core, done(task)) is RECORDED


@in_virtual_time
async def test_what_a_worker_has_goes_to_others_when_it_takes_leave() -> None:
    async with memory_core() as core:
        await register(core, "w")
        await register(core, "v")
        await core.start("x")
        await poll(core, "w")
        await core.node.worker_edge.unregister(pb.UnregisterRequest(worker_id="w"), HERE)
        await asyncio.sleep(0.1)
        assert (await poll(core, "v")).attempt == 2


@in_virtual_time
async def test_workflows_and_executions_that_are_not_there_are_not_found() -> None:
    async with memory_core() as core:
        edge = core.node.worker_edge
        for request, said in (
            (pb.ExecuteRequest(workflow_module="nothing"), "no blueprint of workflow 'nothing' was submitted"),
            (pb.ExecuteRequest(workflow_hash="abc"), "no blueprint with hash 'abc' was submitted"),
        ):
            with pytest.raises(RpcError, match=said) as refused:
                await edge.execute_workflow(request, HERE)
            assert refused.value.code is StatusCode.NOT_FOUND
        with pytest.raises(RpcError, match="no execution 'x'") as refused:
            await edge.get_execution_status(pb.GetExecutionStatusRequest(execution_id="x"), HERE)
        assert refused.value.code is StatusCode.NOT_FOUND


@in_virtual_time
async def test_a_hash_that_is_of_another_workflow_is_refused() -> None:
    async with memory_core() as core:
        request = pb.ExecuteRequest(workflow_module="other", workflow_hash=core.workflow_hash)
        with pytest.raises(RpcError, match="is of workflow 'two', not 'other'") as refused:
            await core.node.worker_edge.execute_workflow(request, HERE)
        assert refused.value.code is StatusCode.INVALID_ARGUMENT


@in_virtual_time
async def test_an_id_that_is_taken_by_other_inputs_is_refused_and_by_the_same_ones_found() -> None:
    async with memory_core() as core:
        edge = core.node.worker_edge
        assert (await edge.execute_workflow(core.request("x"), HERE)).created
        assert not (await edge.execute_workflow(core.request("x"), HERE)).created
        other = core.request("x")
        other.exact_inputs = None
        with pytest.raises(RpcError, match="'x' exists with another workflow or other inputs") as refused:
            await edge.execute_workflow(other, HERE)
        assert refused.value.code is StatusCode.ALREADY_EXISTS


@in_virtual_time
async def test_a_blueprint_that_cannot_run_is_answered_with_all_its_faults() -> None:
    async with memory_core() as core:
        answer = await core.node.worker_edge.submit_blueprint(pb.Blueprint(), HERE)
        assert not answer.valid
        assert answer.workflow_hash == ""
        assert len(answer.errors) >= 2


@in_virtual_time
async def test_after_the_store_is_closed_callers_are_told_to_come_again() -> None:
    async with memory_core() as core:
        await core.node.stop()
        with pytest.raises(RpcError) as refused:
            await core.start("x")
        assert refused.value.code is StatusCode.UNAVAILABLE
