"""A task that is handed out again while it is in hand runs once, and what is over comes before what begins anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from cerebelum import WorkflowBuilder, step, workflow
from cerebelum.hands import LARGEST_RESULT, Hands, size_of, takable
from cerebelum.streaming import Streaming
from cerebelum.threads import Threads
from cerebelum_client import CerebelumClient, InvalidRequest
from cerebelum_codegen.runtime import Timestamp
from cerebelum_proto.stream.v1.stream_pb import WorkRequest, WorkResponse
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker.worker_service_pb import (
    ApprovalRequest,
    Predicates,
    RegisterRequest,
    RegisterResponse,
    Task,
    TaskResult,
    TaskStatus,
)
from tests.simulation.virtual_time import in_virtual_time

WELCOME = RegisterResponse(success=True, heartbeat_interval_ms=3_600_000)


class Talk:
    """A worker of one step that takes a second, and the Core's end of its stream."""

    def __init__(self) -> None:
        self.runs = 0

        @step
        async def slow() -> None:
            self.runs += 1
            await asyncio.sleep(1)

        @workflow
        def one(wf: WorkflowBuilder) -> None:
            wf.timeline(slow)

        self.core = CerebelumClient("127.0.0.1:1")
        self.hands = Hands("w", {one.hash: one}, Timestamp, 1, self.core, Threads())
        self.task = Task(task_id="x/slow/1.1.0", execution_id="x", workflow_hash=one.hash, step_name="slow")
        self._said: asyncio.Queue[WorkRequest] = asyncio.Queue()
        self._answers: asyncio.Queue[WorkResponse | None] = asyncio.Queue()
        self.free = asyncio.Event()
        """Whether the connection takes what the worker says."""
        self.free.set()
        self.streams = 0
        self.breaks_with: Exception | None = None
        """As soon as the worker is welcomed."""

    async def work(self, requests: AsyncIterator[WorkRequest]) -> AsyncIterator[WorkResponse]:
        self.streams += 1
        listening = asyncio.create_task(self._listen(requests))
        yield WorkResponse(welcome=WELCOME)
        if self.breaks_with is not None:
            listening.cancel()
            raise self.breaks_with
        try:
            while (answer := await self._answers.get()) is not None:
                yield answer
        finally:
            listening.cancel()

    async def _listen(self, requests: AsyncIterator[WorkRequest]) -> None:
        async for frame in requests:
            self._said.put_nowait(frame)
            await self.free.wait()

    def tell(self, **parts: object) -> None:
        self._answers.put_nowait(WorkResponse(**parts))  # type: ignore[arg-type]  # each test knows its parts

    def lose_stream(self) -> None:
        """The stream that is open ends."""
        self._answers.put_nowait(None)

    async def heard(self, seconds: float) -> list[WorkRequest]:
        """What the worker has said once so much time has passed."""
        await asyncio.sleep(seconds)
        return [self._said.get_nowait() for _ in range(self._said.qsize())]


def talking(test: Callable[[Talk], Awaitable[None]]) -> Callable[[pytest.MonkeyPatch], None]:
    @in_virtual_time
    async def run(monkeypatch: pytest.MonkeyPatch) -> None:
        talk = Talk()
        monkeypatch.setattr(type(talk.core.workers), "work", lambda _, requests: talk.work(requests))
        streaming = Streaming(talk.core, talk.hands, _announce, lambda: 0.5)
        working = asyncio.create_task(streaming.run(lambda: None))
        await talk.heard(0.1)
        await test(talk)
        working.cancel()
        await asyncio.wait([working])

    return run


async def _announce() -> RegisterRequest:
    return RegisterRequest(worker_id="w")


@talking
async def test_a_task_that_comes_again_while_its_step_runs_is_not_run_again(talk: Talk) -> None:
    talk.tell(tasks=[talk.task])
    await talk.heard(0.5)
    talk.tell(tasks=[talk.task])
    (room, result) = await talk.heard(3)
    assert talk.runs == 1
    assert (room.room, len(room.results)) == (1, 0)
    assert (result.room, [each.task_id for each in result.results]) == (1, [talk.task.task_id])


@talking
async def test_a_task_that_comes_again_while_its_result_waits_is_not_run_again(talk: Talk) -> None:
    talk.tell(tasks=[talk.task])
    await talk.heard(2)
    talk.tell(tasks=[talk.task])
    (room,) = await talk.heard(3)
    assert talk.runs == 1
    assert (room.room, room.results) == (1, [])
    talk.tell(recorded=[1])
    await talk.heard(1)
    assert talk.hands.task_ids == []


@talking
async def test_room_that_is_given_while_the_connection_is_full_is_told_once_it_is_free(talk: Talk) -> None:
    talk.tell(tasks=[talk.task])
    await talk.heard(0.1)
    talk.free.clear()
    talk.tell(tasks=[talk.task])
    (first,) = await talk.heard(0.1)
    talk.tell(tasks=[talk.task])
    assert await talk.heard(0.1) == []
    talk.free.set()
    (second,) = await talk.heard(0.1)
    assert (first.room, second.room) == (1, 1)


@talking
async def test_a_task_that_is_lost_and_handed_out_anew_in_one_breath_runs_anew(talk: Talk) -> None:
    talk.tell(tasks=[talk.task])
    await talk.heard(0.5)
    talk.tell(lost_task_ids=[talk.task.task_id], tasks=[talk.task])
    frames = await talk.heard(3)
    assert talk.runs == 2
    assert [each.task_id for frame in frames for each in frame.results] == [talk.task.task_id]
    assert not any(frame.dropped_task_ids for frame in frames)
    assert talk.hands.task_ids == [talk.task.task_id]


@talking
async def test_a_stream_that_fails_whenever_it_is_welcomed_is_opened_at_leisure(talk: Talk) -> None:
    talk.breaks_with = InvalidRequest("a message is too large")
    talk.lose_stream()
    await asyncio.sleep(60)
    assert talk.streams < 60 / 0.2


def test_what_a_wait_brings_counts_as_a_result_does() -> None:
    request = ApprovalRequest(approval_type="sign", data={"text": "x" * LARGEST_RESULT})
    waiting = TaskResult(task_id="x/slow/1.1.0", status=TaskStatus.APPROVAL, approval_request=request)
    taken = takable(waiting)
    assert taken.status is TaskStatus.FAILED
    assert taken.error is not None
    assert f"it has {size_of(waiting)} bytes, and {LARGEST_RESULT} is the most" in taken.error.message
    request.data = {"text": "x"}
    assert takable(waiting) is waiting


def test_what_predicates_say_counts_as_a_part_of_the_result() -> None:
    said = TaskResult(
        status=TaskStatus.SUCCESS, output=Payload(data=b"1"), predicates=Predicates(error="x" * 4_000_000)
    )
    assert takable(said).status is TaskStatus.FAILED
