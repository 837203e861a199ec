"""The client: safe calls are repeated while the Core is away, others are not, and every failure has its class."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import pytest

from cerebelum_client import (
    AlreadyExists,
    Backoff,
    CerebelumClient,
    ClientError,
    CoreFailed,
    CoreUnavailable,
    InvalidRequest,
    NotFound,
    Refused,
    execute_request,
    new_execution_id,
    to_payload,
)
from cerebelum_client.client import CALL_S
from cerebelum_client.executions import limit_ms
from cerebelum_codegen.runtime import Timestamp
from cerebelum_codegen.runtime.rpc import RequestContext, RpcError, Server, StatusCode
from cerebelum_proto.control.v1 import control_pb
from cerebelum_proto.control.v1.control_grpc import ControlServiceBase
from cerebelum_proto.events.v1.events_pb import Event, ExecutionCompleted
from cerebelum_proto.types.v1.types_pb import Payload
from cerebelum_proto.worker import worker_service_pb as pb
from cerebelum_proto.worker.worker_service_grpc import WorkerServiceBase, WorkerServiceStub

QUICK = Backoff(first_s=0.001, longest_s=0.002)


class Control(ControlServiceBase):
    """Answers as a test says, and counts."""

    def __init__(self, *failures: RpcError | None) -> None:
        self.failures = list(failures)
        self.calls = 0
        self.asked_after: list[int] = []
        self.ends_streams = False

    def _answer(self) -> None:
        self.calls += 1
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure

    async def get_server_info(
        self, request: control_pb.GetServerInfoRequest, context: RequestContext
    ) -> control_pb.GetServerInfoResponse:
        self._answer()
        return control_pb.GetServerInfoResponse(version="1", store="memory")

    async def approve(self, request: control_pb.ApproveRequest, context: RequestContext) -> control_pb.ApproveResponse:
        self._answer()
        return control_pb.ApproveResponse(step_name="sign")

    async def reject(self, request: control_pb.RejectRequest, context: RequestContext) -> control_pb.RejectResponse:
        self._answer()
        return control_pb.RejectResponse()

    async def cancel(self, request: control_pb.CancelRequest, context: RequestContext) -> control_pb.CancelResponse:
        self._answer()
        return control_pb.CancelResponse()

    async def get_history(
        self, request: control_pb.GetHistoryRequest, context: RequestContext
    ) -> AsyncIterator[control_pb.GetHistoryResponse]:
        self.asked_after.append(request.after_version)
        for version in range(request.after_version + 1, 7):
            if version % 3 == 0 and version != request.after_version + 1:
                if self.ends_streams:
                    return
                raise RpcError(StatusCode.UNAVAILABLE, "the Core is stopping")
            fact = ExecutionCompleted() if version == 6 else None
            yield control_pb.GetHistoryResponse(event=Event(version=version, fact=fact))


class Worker(WorkerServiceBase):
    """Knows one execution, which has ended after six events."""

    async def get_execution_status(
        self, request: pb.GetExecutionStatusRequest, context: RequestContext
    ) -> pb.ExecutionStatus:
        outputs = {name: Payload(encoding="raw", data=bytes(3 << 20)) for name in ("a", "b")}
        return pb.ExecutionStatus(history_length=6, completed_at=Timestamp(seconds=1), outputs=outputs)


# What a Core can do grows; the calls that are not made here need no answer.
Control.__abstractmethods__ = frozenset()
Worker.__abstractmethods__ = frozenset()


@asynccontextmanager
async def serving(control: Control, call_s: float = CALL_S) -> AsyncIterator[CerebelumClient]:
    server = Server([control, Worker()])
    await server.start("127.0.0.1", 0)
    port = server.port
    async with CerebelumClient(f"127.0.0.1:{port}", backoff=QUICK, call_s=call_s) as client:
        yield client
    server.close()
    await server.wait_closed()


def away() -> RpcError:
    return RpcError(StatusCode.UNAVAILABLE, "starting")


async def test_a_safe_call_is_repeated_until_the_core_is_there() -> None:
    control = Control(away(), away(), None)
    async with serving(control) as client:
        assert (await client.server_info()).store == "memory"
    assert control.calls == 3


async def test_a_safe_call_gives_up_after_its_time_and_names_the_address() -> None:
    async with CerebelumClient("127.0.0.1:1", backoff=QUICK, retry_s=0.02) as client:
        with pytest.raises(CoreUnavailable, match=r"the Core at 127\.0\.0\.1:1 does not answer"):
            await client.server_info()


async def test_a_call_that_may_have_happened_is_not_repeated() -> None:
    control = Control(away())
    async with serving(control) as client:
        with pytest.raises(CoreUnavailable):
            await client.approvals.approve("x")
    assert control.calls == 1


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (StatusCode.NOT_FOUND, NotFound),
        (StatusCode.ALREADY_EXISTS, AlreadyExists),
        (StatusCode.INVALID_ARGUMENT, InvalidRequest),
        (StatusCode.RESOURCE_EXHAUSTED, InvalidRequest),
        (StatusCode.FAILED_PRECONDITION, Refused),
        (StatusCode.INTERNAL, CoreFailed),
    ],
)
async def test_each_status_is_the_class_of_who_must_act(code: StatusCode, kind: type[ClientError]) -> None:
    control = Control(RpcError(code, "because"))
    async with serving(control) as client:
        with pytest.raises(kind, match="because"):
            await client.server_info()
    assert control.calls == 1, "what the Core has answered is not asked again"


@pytest.mark.parametrize("follow", [True, False])
async def test_a_history_that_is_cut_off_goes_on_after_the_last_event_seen(follow: bool) -> None:
    control = Control()
    async with serving(control) as client:
        versions = [event.version async for event in client.executions.history("x", follow=follow)]
    assert versions == [1, 2, 3, 4, 5, 6]
    assert control.asked_after == [0, 2, 5]


async def test_following_goes_on_when_the_core_ends_the_stream_and_the_execution_goes_on() -> None:
    control = Control()
    control.ends_streams = True
    async with serving(control) as client:
        versions = [event.version async for event in client.executions.history("x", follow=True)]
    assert versions == [1, 2, 3, 4, 5, 6]
    assert control.asked_after == [0, 2, 5]


@pytest.mark.parametrize(("after", "seen"), [(5, [6]), (6, []), (9, [])])
async def test_following_ends_when_nothing_comes_any_more(after: int, seen: list[int]) -> None:
    control = Control()
    async with serving(control) as client:
        events = client.executions.history("x", after_version=after, follow=True)
        assert [event.version async for event in events] == seen
    assert control.asked_after == [after]


async def test_results_that_the_core_took_one_by_one_are_read_together() -> None:
    async with serving(Control()) as client:
        status = await client.executions.status("x")
    assert [len(output.data) for output in status.outputs.values()] == [3 << 20, 3 << 20]


async def test_whoever_follows_is_told_when_the_core_stays_away() -> None:
    server = Server([Control()])
    await server.start("127.0.0.1", 0)
    async with CerebelumClient(f"127.0.0.1:{server.port}", backoff=QUICK, retry_s=0.02) as client:
        events = client.executions.history("x", follow=True)
        assert (await anext(events)).version == 1
        server.close()
        await server.wait_closed()
        with pytest.raises(CoreUnavailable, match="does not answer"):
            _ = [event async for event in events]


async def test_that_nothing_happened_for_long_is_not_taken_for_a_core_that_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Later:
        @staticmethod
        def monotonic() -> float:
            return time.monotonic() + 1_000_000

    class Silent(Control):
        async def get_history(
            self, request: control_pb.GetHistoryRequest, context: RequestContext
        ) -> AsyncIterator[control_pb.GetHistoryResponse]:
            if self.calls == 0:
                for module in ("calls", "executions"):
                    monkeypatch.setattr(f"cerebelum_client.{module}.time", Later)
                self.calls += 1
                raise away()
            async for response in super().get_history(request, context):
                yield response

    async with serving(Silent()) as client:
        versions = [event.version async for event in client.executions.history("x", after_version=2, follow=True)]
    assert versions == [3, 4, 5, 6]


async def test_a_call_that_takes_too_long_ends_with_its_deadline() -> None:
    class Slow(Control):
        async def cancel(self, request: control_pb.CancelRequest, context: RequestContext) -> control_pb.CancelResponse:
            assert context.remaining_s is not None
            await asyncio.Event().wait()
            return control_pb.CancelResponse()

    async with serving(Slow(), call_s=0.05) as client:
        with pytest.raises(CoreUnavailable, match="does not answer"):
            await client.lifecycle.cancel("x")


async def test_a_start_that_is_repeated_asks_for_the_same_execution(monkeypatch: pytest.MonkeyPatch) -> None:
    ids: list[str] = []

    async def start(stub: WorkerServiceStub, request: pb.ExecuteRequest, timeout_s: float) -> pb.ExecutionHandle:
        assert request.options is not None
        ids.append(request.options.execution_id)
        if len(ids) < 3:
            raise away()
        return pb.ExecutionHandle(execution_id=ids[-1])

    monkeypatch.setattr(WorkerServiceStub, "execute_workflow", start)
    async with CerebelumClient("127.0.0.1:1", backoff=QUICK) as client:
        handle = await client.executions.start(execute_request("order", to_payload(1)))
    assert len(ids) == 3
    assert set(ids) == {handle.execution_id}


async def test_a_value_that_its_field_cannot_carry_is_a_client_error_that_names_it() -> None:
    async with serving(Control()) as client:
        with pytest.raises(ClientError, match=r"ApproveRequest\.decided_by.*the field takes str"):
            await client.approvals.approve("x", decided_by=3)  # type: ignore[arg-type]  # what the test is about


def test_a_limit_of_any_length_finds_room_in_a_request() -> None:
    short = execute_request("order", to_payload(1), timeout_ms=limit_ms(timedelta(days=1))).options
    long = execute_request("order", to_payload(1), timeout_ms=limit_ms(timedelta(days=60))).options
    assert short is not None
    assert long is not None
    assert (short.timeout_ms, short.long_timeout_ms) == (86_400_000, 0)
    assert (long.timeout_ms, long.long_timeout_ms) == (0, 60 * 86_400_000)
    assert limit_ms(None) == 0
    with pytest.raises(ValueError, match="give the execution some time, or no timeout"):
        limit_ms(timedelta(seconds=-5))


def test_tags_are_several_texts_and_not_the_letters_of_one() -> None:
    with pytest.raises(TypeError, match=r"give a list, as in \['urgent'\]"):
        execute_request("order", to_payload(1), tags="urgent")


def test_tags_that_can_be_gone_through_once_are_all_sent() -> None:
    request = execute_request("order", to_payload(1), tags=(each for each in ("a", "b")))  # type: ignore[arg-type]  # on purpose
    assert request.options is not None
    assert request.options.tags == ["a", "b"]


def test_new_ids_are_uuids_of_version_7_that_sort_by_time() -> None:
    ids = [new_execution_id() for _ in range(3)]
    assert {UUID(each).version for each in ids} == {7}
    assert [UUID(each).int >> 80 for each in ids] == sorted(UUID(each).int >> 80 for each in ids)


@pytest.mark.parametrize(("chance", "pauses"), [(lambda: 0.0, [1.0, 2.0, 4.0, 5.0, 5.0]), (lambda: 1.0, [0.5, 1, 2])])
def test_pauses_double_to_their_limit_and_spread_out(chance: Callable[[], float], pauses: list[float]) -> None:
    given = Backoff(first_s=1.0, longest_s=5.0).pauses(chance)
    assert [next(given) for _ in pauses] == pauses
