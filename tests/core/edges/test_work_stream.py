"""A worker's stream: nothing that it hands in is lost or counted twice, however often the stream breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from cerebelum_codegen.runtime.rpc import RpcError, StatusCode
from cerebelum_engine import Cancel, Terminate
from cerebelum_proto.events.v1 import events_pb as ev
from cerebelum_proto.stream.v1 import stream_pb
from cerebelum_proto.worker import worker_service_pb as pb
from tests.core.edges.streams import HERE, done, memory_core
from tests.simulation.virtual_time import in_virtual_time


async def test_tasks_come_as_there_is_room_and_results_are_answered_by_their_numbers() -> None:
    async with memory_core() as core, core.worker("w") as worker:
        await core.start("e")
        first = await worker.task()
        worker.finish(first)
        frame = await worker.hear()
        (second,) = frame.tasks
        worker.finish(second)
        last = await worker.hear()
        status = await core.node.registry.state("e")

    assert (first.step_name, second.step_name) == ("first", "second")
    assert (frame.recorded, last.recorded) == ([1], [2])
    assert status.ended


async def test_a_worker_is_never_handed_more_than_it_has_room_for() -> None:
    async with memory_core() as core, core.worker("w", room=2) as worker:
        for number in range(5):
            await core.start(f"e{number}")
        frame = await worker.hear()
        assert [task.execution_id for task in frame.tasks] == ["e0", "e1"]
        worker.finish(frame.tasks[0], room=1)
        after = await worker.hear()
        assert [task.execution_id for task in after.tasks] == ["e2"]
        assert sum(core.node.router.queued.values()) == 3


async def test_all_that_comes_together_goes_out_in_one_frame() -> None:
    async with memory_core() as core:
        for number in range(20):
            await core.start(f"e{number}")
        async with core.worker("w", room=100) as worker:
            frame = await worker.hear()
            worker.finish(*frame.tasks, room=20)
            answer = await worker.hear()

    assert len(frame.tasks) == 20
    assert answer.recorded == list(range(1, 21))
    assert [task.step_name for task in answer.tasks] == ["second"] * 20


async def test_a_result_that_is_handed_in_again_on_the_next_stream_is_recorded_once() -> None:
    async with memory_core() as core:
        async with core.worker("w") as worker:
            await core.start("e")
            task = await worker.task()
            worker.finish(task)
            await worker.hear()
        async with core.worker("w", held=[task.task_id]) as again:
            again.finish(task)
            answer = await again.recorded()
        recorded = await core.recorded("e")

    assert again.welcome is not None
    assert again.welcome.lost_task_ids == [task.task_id]
    assert answer == [1]
    assert recorded == ["first"]


async def test_what_a_worker_holds_when_its_stream_breaks_stays_its_own() -> None:
    async with memory_core() as core, core.worker("other", room=0) as other:
        async with core.worker("w") as worker:
            await core.start("e")
            task = await worker.task()
        other.say(stream_pb.WorkRequest(room=5))
        async with core.worker("w", held=[task.task_id]) as again:
            again.finish(task)
            answer = await again.hear()
        facts = await core.facts("e")

    assert answer.recorded == [1]
    assert ev.AttemptLost not in facts


async def test_a_task_that_never_reached_the_process_is_handed_to_it_again_and_is_no_loss() -> None:
    async with memory_core() as core:
        async with core.worker("w") as worker:
            await core.start("e")
            task = await worker.task()
        async with core.worker("w") as again:
            assert (await again.task()).task_id == task.task_id
        assert ev.AttemptLost not in await core.facts("e")


async def test_a_new_process_under_the_same_name_has_lost_what_the_old_one_held() -> None:
    async with memory_core() as core:
        async with core.worker("w", incarnation="a") as worker:
            await core.start("e")
            task = await worker.task()
        async with core.worker("w", incarnation="b") as again:
            next_try = await again.task()
        facts = await core.facts("e")

    assert (task.attempt, next_try.attempt) == (1, 2)
    assert facts == [ev.ExecutionStarted, ev.AttemptLost]


async def test_a_worker_that_comes_back_ends_its_older_stream() -> None:
    async with memory_core() as core, core.worker("w") as old, core.worker("w") as new:
        with pytest.raises(StopAsyncIteration):
            await old.hear()
        await core.start("e")
        assert (await new.task()).execution_id == "e"


async def test_a_task_of_a_cancelled_execution_is_called_back_at_once() -> None:
    async with memory_core() as core, core.worker("w") as worker:
        await core.start("e")
        task = await worker.task()
        await core.node.registry.tell("e", Cancel(reason="no longer wanted"))
        frame = await worker.hear()
        worker.finish(task)
        answer = await worker.hear()

    assert frame.lost_task_ids == [task.task_id]
    assert [refusal.kind for refusal in answer.refusals] == [stream_pb.RefusalKind.REFUSAL_KIND_STALE]


async def test_a_task_that_moved_on_before_it_was_sent_leaves_its_room_to_another() -> None:
    async with memory_core() as core, core.worker("w", room=1) as worker:
        await core.start("first")
        await worker.task()
        await core.start("gone")
        worker.say(stream_pb.WorkRequest(room=1))
        while len(core.node.router.leases.of("w")) < 2:
            await asyncio.sleep(0)
        await core.node.registry.tell("gone", Terminate())
        await core.start("next")
        assert (await worker.task()).execution_id == "next"


async def test_a_result_of_nothing_that_is_known_is_refused_and_the_stream_goes_on() -> None:
    async with memory_core() as core, core.worker("w") as worker:
        unknown = pb.TaskResult(task_id="t", execution_id="nowhere", status=pb.TaskStatus.SUCCESS)
        senseless = pb.TaskResult(task_id="t", execution_id="nowhere")
        worker.say(stream_pb.WorkRequest(results=[senseless]))
        first = await worker.hear()
        worker.say(stream_pb.WorkRequest(results=[unknown]))
        second = await worker.hear()

    assert [(r.number, r.kind) for r in first.refusals] == [(1, stream_pb.RefusalKind.REFUSAL_KIND_INVALID)]
    assert [(r.number, r.kind) for r in second.refusals] == [(2, stream_pb.RefusalKind.REFUSAL_KIND_STALE)]


async def test_a_task_that_its_worker_gives_up_is_handed_out_again() -> None:
    async with memory_core() as core, core.worker("w") as worker:
        await core.start("e")
        task = await worker.task()
        worker.say(stream_pb.WorkRequest(dropped_task_ids=[task.task_id], room=1))
        assert (await worker.task()).attempt == 2


async def test_a_worker_that_leaves_is_handed_nothing_more() -> None:
    async with memory_core() as core, core.worker("leaving") as leaving, core.worker("staying", room=1) as staying:
        await core.start("e0")
        first = await leaving.task()
        leaving.say(stream_pb.WorkRequest(results=[done(first)], room=1, leaving=True))
        assert (await leaving.hear()).recorded == [1]
        assert (await staying.task()).step_name == "second"


async def test_a_beat_renews_the_leases_of_all_that_is_held() -> None:
    async with memory_core() as core, core.worker("w") as worker:
        await core.start("e")
        await worker.task()
        (lease,) = core.node.router.leases.of("w")
        before = lease.expires_at
        worker.say(stream_pb.WorkRequest(beat=True))
        worker.say(stream_pb.WorkRequest(results=[pb.TaskResult()]))
        await worker.hear()
        assert lease.expires_at > before


async def test_a_stream_without_a_registration_is_refused() -> None:
    async with memory_core() as core:

        async def silent() -> AsyncIterator[stream_pb.WorkRequest]:
            yield stream_pb.WorkRequest(room=1)

        with pytest.raises(RpcError) as refusal:
            await anext(core.node.stream_edge.work(silent(), HERE))
        assert refusal.value.code is StatusCode.INVALID_ARGUMENT


async def test_when_the_core_stops_it_answers_what_it_has_recorded_and_ends_the_stream() -> None:
    async with memory_core() as core, core.worker("w") as worker:
        await core.start("e")
        worker.finish(await worker.task())
        answer = await worker.recorded()
        await core.node.drain()
        with pytest.raises(StopAsyncIteration):
            await worker.recorded()
    assert await core.recorded("e") == ["first"]
    assert answer == [1]


@in_virtual_time
async def test_what_an_earlier_process_had_asked_for_is_not_lost_on_it() -> None:
    async with memory_core() as core:
        async with core.worker("w", room=0):
            poll = pb.PollRequest(worker_id="w", timeout_ms=30_000)
            asking = asyncio.create_task(core.node.worker_edge.poll_for_task(poll, HERE))
            await asyncio.sleep(1)
        async with core.worker("w", incarnation="b") as worker:
            await core.start("x")
            assert (await worker.task()).step_name == "first"
        assert (await asking).task_id == ""


async def test_a_worker_that_was_forgotten_has_to_open_another_stream() -> None:
    async with memory_core() as core:
        await core.start("x")
        async with core.worker("w") as worker:
            task = await worker.task()
            await core.node.workers.forget("w")  # it was silent for long, and is heard again
            worker.finish(task)
            with pytest.raises(StopAsyncIteration):
                await worker.hear()
        async with core.worker("w", held=[task.task_id]) as again:
            again.finish(task)
            assert await again.recorded() == [1]
        assert [record.worker_id for record in await core.store.workers()] == ["w"]
