"""What operators are told: what they did, or why they may not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from cerebelum_codegen.runtime.rpc import RpcError, StatusCode
from cerebelum_core.node import Node
from cerebelum_proto.control.v1 import control_pb
from cerebelum_proto.control.v1 import lifecycle_pb as pb
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.stream.v1 import stream_pb
from cerebelum_proto.worker import worker_service_pb as worker_pb
from tests.core.edges.streams import HERE, WorkerEnd, memory_core

WISHES: dict[str, Callable[[Node], Awaitable[object]]] = {
    "pause": lambda node: node.lifecycle_edge.pause(pb.PauseRequest(execution_id="x"), HERE),
    "resume": lambda node: node.lifecycle_edge.resume(pb.ResumeRequest(execution_id="x"), HERE),
    "terminate": lambda node: node.lifecycle_edge.terminate(pb.TerminateRequest(execution_id="x"), HERE),
    "redrive": lambda node: node.lifecycle_edge.redrive(pb.RedriveRequest(execution_id="x"), HERE),
    "retry": lambda node: node.lifecycle_edge.retry(pb.RetryRequest(execution_id="x"), HERE),
    "fork": lambda node: node.lifecycle_edge.fork(pb.ForkRequest(execution_id="x", new_execution_id="y"), HERE),
    "migrate": lambda node: node.lifecycle_edge.migrate(pb.MigrateRequest(execution_id="x"), HERE),
    "explain": lambda node: node.lifecycle_edge.explain(pb.ExplainRequest(execution_id="x"), HERE),
    "approve": lambda node: node.control_edge.approve(control_pb.ApproveRequest(execution_id="x"), HERE),
    "reject": lambda node: node.control_edge.reject(control_pb.RejectRequest(execution_id="x"), HERE),
    "signal": lambda node: node.control_edge.signal(control_pb.SignalRequest(execution_id="x", name="paid"), HERE),
    "cancel": lambda node: node.control_edge.cancel(control_pb.CancelRequest(execution_id="x"), HERE),
}


def fail(worker: WorkerEnd, task: worker_pb.Task) -> None:
    failed = worker_pb.TaskResult(
        task_id=task.task_id, execution_id=task.execution_id, status=worker_pb.TaskStatus.FAILED
    )
    worker.say(stream_pb.WorkRequest(results=[failed], room=1))


@pytest.mark.parametrize("wish", WISHES)
async def test_what_is_not_there_is_not_found(wish: str) -> None:
    async with memory_core() as core:
        with pytest.raises(RpcError, match="there is no execution 'x'") as refused:
            await WISHES[wish](core.node)
        assert refused.value.code is StatusCode.NOT_FOUND


@pytest.mark.parametrize("wish", ["resume", "redrive", "retry", "approve", "reject"])
async def test_what_is_not_the_time_for_it_is_refused_and_changes_nothing(wish: str) -> None:
    async with memory_core() as core:
        await core.start("x")
        with pytest.raises(RpcError) as refused:
            await WISHES[wish](core.node)
        assert refused.value.code is StatusCode.FAILED_PRECONDITION
        assert await core.facts("x") == [ev.ExecutionStarted]


async def test_a_paused_execution_is_handed_out_when_it_is_resumed() -> None:
    async with memory_core() as core:
        await core.start("x")
        await WISHES["pause"](core.node)
        async with core.worker("w") as worker:
            assert core.node.router.queued == {}
            await WISHES["resume"](core.node)
            assert (await worker.task()).task_id == "x/first/1.1.0"


async def test_a_cancellation_says_whether_it_has_ended_at_once() -> None:
    async with memory_core() as core, core.worker("w", room=1) as worker:
        await core.start("x")
        await worker.task()
        await core.start("y")
        edge = core.node.control_edge
        assert not (await edge.cancel(control_pb.CancelRequest(execution_id="x"), HERE)).ended
        assert (await edge.cancel(control_pb.CancelRequest(execution_id="y"), HERE)).ended


async def test_a_failed_execution_is_retried_from_the_steps_that_are_named_to_who_asked() -> None:
    async with memory_core() as core, core.worker("w") as worker:
        await core.start("x")
        fail(worker, await worker.task())
        await worker.recorded()
        answer = await core.node.lifecycle_edge.retry(pb.RetryRequest(execution_id="x"), HERE)
        assert answer.step_names == ["first"]
        assert (await worker.task()).task_id == "x/first/2.1.0"


async def test_a_fork_that_is_asked_for_again_is_found_also_when_its_origin_stands_elsewhere() -> None:
    async with memory_core() as core, core.worker("w", room=1) as worker:
        await core.start("x")
        fail(worker, await worker.task())
        await worker.recorded()
        request = pb.ForkRequest(execution_id="x", new_execution_id="y")
        assert (await core.node.lifecycle_edge.fork(request, HERE)).created
        await WISHES["retry"](core.node)
        core.node.registry._live.clear()  # as after a restart
        assert not (await core.node.lifecycle_edge.fork(request, HERE)).created


async def test_to_move_to_the_blueprint_that_it_has_changes_nothing() -> None:
    async with memory_core() as core:
        await core.start("x")
        answer = await core.node.lifecycle_edge.migrate(pb.MigrateRequest(execution_id="x"), HERE)
        assert answer.workflow_hash == core.workflow_hash
        assert await core.facts("x") == [ev.ExecutionStarted]
