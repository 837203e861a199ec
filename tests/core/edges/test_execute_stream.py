"""Those who wait for ends: each is told once, also of an execution that had ended before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from cerebelum_codegen.runtime.rpc import RpcError, StatusCode
from cerebelum_core.edges.handouts import MOST_BYTES
from cerebelum_proto.stream.v1 import stream_pb
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker.worker_service_pb import ExecuteRequest, ExecutionState
from tests.core.edges.streams import HERE, ONE, Core, WorkerEnd, done, memory_core


async def run(worker: WorkerEnd, steps: int) -> None:
    """Do so many steps, one after another or at once."""
    while steps > 0:
        frame = await worker.hear()
        worker.finish(*frame.tasks, room=len(frame.tasks))
        steps -= len(frame.tasks)


async def ends_of(core: Core, *starts: ExecuteRequest) -> list[stream_pb.ExecuteResponse]:
    """Start them on one stream, and hear all answers."""

    async def requests() -> AsyncIterator[stream_pb.ExecuteRequest]:
        yield stream_pb.ExecuteRequest(starts=list(starts))

    return [frame async for frame in core.node.stream_edge.execute(requests(), HERE)]


async def test_the_end_of_each_is_told_by_the_number_of_its_start() -> None:
    async with memory_core() as core, core.worker("w") as worker:
        working = asyncio.create_task(run(worker, 6))
        frames = await ends_of(core, *(core.request(f"e{number}") for number in range(3)))
        await working

    ends = {end.number: end.status for frame in frames for end in frame.ends}
    assert {number: status.execution_id for number, status in ends.items() if status} == {1: "e0", 2: "e1", 3: "e2"}
    assert all(status and status.outputs == {"second": ONE} for status in ends.values())


async def test_a_start_that_is_repeated_after_the_end_is_answered_with_the_end() -> None:
    async with memory_core() as core, core.worker("w") as worker:
        working = asyncio.create_task(run(worker, 2))
        await ends_of(core, core.request("e"))
        await working
        (again,) = await ends_of(core, core.request("e"))
        assert await core.recorded("e") == ["first", "second"]

    assert [end.number for end in again.ends] == [1]


async def test_what_cannot_be_started_is_refused_and_the_others_go_on() -> None:
    async with memory_core() as core, core.worker("w") as worker:
        await core.start("taken")
        working = asyncio.create_task(run(worker, 4))
        taken = core.request("taken", Payload(encoding="json", data=b"2"))
        frames = await ends_of(core, taken, ExecuteRequest(workflow_module="unknown"), core.request("fine"))
        await working

    codes = {refusal.number: StatusCode(refusal.code) for frame in frames for refusal in frame.refusals}
    assert codes == {1: StatusCode.ALREADY_EXISTS, 2: StatusCode.NOT_FOUND}
    assert [end.number for frame in frames for end in frame.ends] == [3]


async def test_a_start_of_an_execution_that_is_set_aside_is_refused_and_the_others_go_on() -> None:
    async with memory_core() as core, core.worker("w") as worker:
        while core.node.supervisor.crashed("bad", ZeroDivisionError("a bug")):
            pass
        working = asyncio.create_task(run(worker, 2))
        frames = await ends_of(core, core.request("bad"), core.request("fine"))
        await working
        assert len(core.node.endings) == 0

    codes = {refusal.number: StatusCode(refusal.code) for frame in frames for refusal in frame.refusals}
    assert codes == {1: StatusCode.FAILED_PRECONDITION}
    assert [end.number for frame in frames for end in frame.ends] == [2]


async def test_an_id_that_another_execution_had_is_refused_also_when_that_one_has_ended() -> None:
    async with memory_core() as core, core.worker("w") as worker:
        working = asyncio.create_task(run(worker, 2))
        await ends_of(core, core.request("e"))
        await working
        taken = core.request("e", Payload(encoding="json", data=b"2"))
        (frame,) = await ends_of(core, taken)
        with pytest.raises(RpcError) as refusal:
            await core.node.stream_edge.await_result(stream_pb.AwaitResultRequest(start=taken), HERE)

    assert [StatusCode(each.code) for each in frame.refusals] == [StatusCode.ALREADY_EXISTS]
    assert not frame.ends
    assert refusal.value.code is StatusCode.ALREADY_EXISTS


async def test_a_caller_that_goes_away_is_not_remembered_and_its_executions_go_on() -> None:
    async with memory_core() as core, core.worker("w") as worker:

        async def requests() -> AsyncIterator[stream_pb.ExecuteRequest]:
            yield stream_pb.ExecuteRequest(starts=[core.request("e")])
            await asyncio.Event().wait()

        answers = core.node.stream_edge.execute(requests(), HERE)
        listening = asyncio.create_task(anext(answers))
        task = await worker.task()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await answers.aclose()
        assert len(core.node.endings) == 0
        worker.finish(task, room=1)
        await run(worker, 1)
        await worker.hear()
        assert await core.recorded("e") == ["first", "second"]


async def test_one_call_starts_and_waits_for_the_result() -> None:
    async with memory_core() as core, core.worker("w") as worker:
        working = asyncio.create_task(run(worker, 2))
        request = stream_pb.AwaitResultRequest(start=core.request("e"))
        response = await core.node.stream_edge.await_result(request, HERE)
        found = await core.node.stream_edge.await_result(stream_pb.AwaitResultRequest(execution_id="e"), HERE)
        await working
        assert len(core.node.endings) == 0

    assert response.status is not None
    assert response.status.status is ExecutionState.EXECUTION_COMPLETED
    assert response.status.outputs == {"second": ONE}
    assert found == response


async def test_a_wait_that_is_over_says_where_the_execution_stands() -> None:
    async with memory_core() as core:
        request = stream_pb.AwaitResultRequest(start=core.request("e"), timeout_ms=1)
        response = await core.node.stream_edge.await_result(request, HERE)
        assert len(core.node.endings) == 0

    assert response.status is not None
    assert response.status.status is ExecutionState.EXECUTION_RUNNING


async def test_to_wait_for_what_is_not_there_is_refused() -> None:
    async with memory_core() as core:
        await core.start("taken")
        for request, code in (
            (stream_pb.AwaitResultRequest(execution_id="unknown"), StatusCode.NOT_FOUND),
            (stream_pb.AwaitResultRequest(start=ExecuteRequest(workflow_hash="unknown")), StatusCode.NOT_FOUND),
            (
                stream_pb.AwaitResultRequest(start=core.request("taken", Payload(encoding="json", data=b"2"))),
                StatusCode.ALREADY_EXISTS,
            ),
        ):
            with pytest.raises(RpcError) as refusal:
                await core.node.stream_edge.await_result(request, HERE)
            assert refusal.value.code is code
        assert len(core.node.endings) == 0


async def test_when_the_core_stops_a_wait_ends_with_where_the_execution_stands() -> None:
    async with memory_core() as core:
        request = stream_pb.AwaitResultRequest(start=core.request("e"))
        waiting = asyncio.create_task(core.node.stream_edge.await_result(request, HERE))
        async with core.worker("w") as worker:
            await worker.task()
            await core.node.drain()
            response = await waiting
    assert response.status is not None
    assert response.status.status is ExecutionState.EXECUTION_RUNNING


async def test_results_that_are_too_large_for_a_stream_are_told_so_and_the_others_go_on() -> None:
    large = Payload(encoding="binary", data=b"x" * (MOST_BYTES + 1))

    async def work(worker: WorkerEnd) -> None:
        done_so_far = 0
        while done_so_far < 4:
            for task in (await worker.hear()).tasks:
                done_so_far += 1
                output = large if (task.execution_id, task.step_name) == ("large", "second") else ONE
                result = replace(done(task), output=output)
                worker.say(stream_pb.WorkRequest(results=[result], room=1))

    async with memory_core() as core, core.worker("w") as worker:
        working = asyncio.create_task(work(worker))
        frames = await ends_of(core, core.request("large"), core.request("small"))
        await working
    (refusal,) = [refusal for frame in frames for refusal in frame.refusals]
    assert (refusal.number, StatusCode(refusal.code)) == (1, StatusCode.RESOURCE_EXHAUSTED)
    assert f"the results of execution 'large' have {MOST_BYTES + 1} bytes together" in refusal.message
    assert [end.number for frame in frames for end in frame.ends] == [2]
