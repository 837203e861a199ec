"""Names and ids that not every store can keep are refused at the edge, by every road on which they come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from cerebelum_codegen.runtime.rpc import RpcError, StatusCode
from cerebelum_core.names import name_fault
from cerebelum_proto.control.v1 import control_pb, lifecycle_pb
from cerebelum_proto.stream.v1 import stream_pb
from cerebelum_proto.worker import worker_service_pb as pb
from tests.core.edges.streams import HERE, Core, memory_core

BAD = {"NUL": "a\0b", "control": "a\nb", "long": "a" * 501, "long in UTF-8": "é" * 251}


def request(core: Core, **options: Any) -> pb.ExecuteRequest:
    start = core.request("")
    start.options = pb.ExecutionOptions(**options)
    return start


async def start(core: Core, name: str) -> object:
    return await core.node.worker_edge.execute_workflow(request(core, execution_id=name), HERE)


async def start_unknown_workflow(core: Core, name: str) -> object:
    return await core.node.worker_edge.execute_workflow(pb.ExecuteRequest(workflow_module=name), HERE)


async def start_correlated(core: Core, name: str) -> object:
    return await core.node.worker_edge.execute_workflow(request(core, correlation_id=name), HERE)


async def start_tagged(core: Core, name: str) -> object:
    tagged = core.request("")
    tagged.options = pb.ExecutionOptions(tags=["fine", name])
    return await core.node.worker_edge.execute_workflow(tagged, HERE)


async def start_and_wait(core: Core, name: str) -> object:
    wait = stream_pb.AwaitResultRequest(start=request(core, execution_id=name))
    return await core.node.stream_edge.await_result(wait, HERE)


async def fork(core: Core, name: str) -> object:
    wish = lifecycle_pb.ForkRequest(execution_id="x", new_execution_id=name)
    return await core.node.lifecycle_edge.fork(wish, HERE)


async def signal(core: Core, name: str) -> object:
    return await core.node.control_edge.signal(control_pb.SignalRequest(execution_id="x", name=name), HERE)


async def signal_again(core: Core, name: str) -> object:
    again = control_pb.SignalRequest(execution_id="x", name="paid", signal_id=name)
    return await core.node.control_edge.signal(again, HERE)


async def register(core: Core, name: str) -> object:
    return await core.node.worker_edge.register(pb.RegisterRequest(worker_id=name), HERE)


ROADS: list[Callable[[Core, str], Awaitable[object]]] = [
    start,
    start_unknown_workflow,
    start_correlated,
    start_tagged,
    start_and_wait,
    fork,
    signal,
    signal_again,
    register,
]


@pytest.mark.parametrize("road", ROADS, ids=lambda road: road.__name__)
@pytest.mark.parametrize("kind", BAD)
async def test_what_not_every_store_can_keep_is_refused_with_its_mend(
    road: Callable[[Core, str], Awaitable[object]], kind: str
) -> None:
    async with memory_core() as core:
        await core.start("x")
        with pytest.raises(RpcError, match="cannot be kept: give it at most 500 bytes of UTF-8, without") as refused:
            await road(core, BAD[kind])
        assert refused.value.code is StatusCode.INVALID_ARGUMENT


async def test_an_execution_that_there_is_not_is_named_so_that_its_name_can_be_seen() -> None:
    async with memory_core() as core:
        for asked in (
            core.node.worker_edge.get_execution_status(pb.GetExecutionStatusRequest(execution_id=BAD["control"]), HERE),
            core.node.control_edge.cancel(control_pb.CancelRequest(execution_id=BAD["control"]), HERE),
            anext(core.node.control_edge.get_history(control_pb.GetHistoryRequest(execution_id=BAD["control"]), HERE)),
        ):
            with pytest.raises(RpcError, match=r"there is no execution 'a\\nb'"):
                await asked


async def test_a_start_on_a_stream_is_refused_by_its_number() -> None:
    async def requests(core: Core) -> AsyncIterator[stream_pb.ExecuteRequest]:
        yield stream_pb.ExecuteRequest(starts=[request(core, execution_id="a\0b")])

    async with memory_core() as core:
        frames = [frame async for frame in core.node.stream_edge.execute(requests(core), HERE)]

    (refusal,) = (refusal for frame in frames for refusal in frame.refusals)
    assert (refusal.number, StatusCode(refusal.code)) == (1, StatusCode.INVALID_ARGUMENT)
    assert r"execution_id 'a\x00b' cannot be kept" in refusal.message


@pytest.mark.parametrize("kind", BAD)
async def test_a_blueprint_is_told_which_of_its_names_cannot_be_kept(kind: str) -> None:
    name = BAD[kind]
    definition = pb.WorkflowDefinition(
        timeline=[pb.Step(name=name)], stages=[pb.Stage(steps=[name])], signals=["fine", name]
    )
    async with memory_core() as core:
        bad = pb.Blueprint(workflow_module=name, definition=definition)
        answer = await core.node.worker_edge.submit_blueprint(bad, HERE)

    assert not answer.valid
    told = [error.split(" ")[0] for error in answer.errors if "cannot be kept" in error]
    assert told == ["workflow_module", "step", "signal"]


@pytest.mark.parametrize(
    "name", ["", "order-7", "Elixir.Orders/Ünïcode €", "注文 42", "a" * 500, "é" * 250, "a\u00a0b"]
)
def test_what_can_be_printed_is_kept(name: str) -> None:
    assert name_fault("execution_id", name) == ""


def test_what_is_no_text_is_refused_in_words_that_can_be_written() -> None:
    assert name_fault("tag", "\ud800").startswith(r"tag '\ud800' cannot be kept")
