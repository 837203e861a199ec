"""What our stubs and servers promise beyond a single call."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import pytest

from cerebelum_codegen.runtime.http2.codes import LAST_STREAM
from cerebelum_codegen.runtime.rpc import (
    Channel,
    Limits,
    RequestContext,
    RpcError,
    Server,
    StatusCode,
)
from tests.codegen.conftest import Trial
from tests.codegen.rpc.conftest import grpcio_stub, served
from tests.codegen.rpc.echo import Notes, grpcio_service, our_service
from tests.codegen.rpc.raw import QUICK, SOME_TIME_S

# -- deadlines ---------------------------------------------------------------------------------


@asynccontextmanager
async def relayed(trial: Trial, notes: Notes, timeout_s: float | None) -> AsyncIterator[Any]:
    """A stub of a server that asks another one, which tells how much time it was given."""
    async with served(our_service(trial, notes)) as behind, Channel("127.0.0.1", behind.port) as inner:
        further = trial.calls_grpc.CallsStub(inner)
        service = our_service(trial, notes)

        async def ask(request: Any, context: RequestContext) -> Any:
            return await further.ask(request, timeout_s=timeout_s)

        service.ask = ask
        async with served(service) as front, Channel("127.0.0.1", front.port) as channel:
            yield trial.calls_grpc.CallsStub(channel)


@pytest.mark.parametrize(("own_s", "most_s"), [(None, 40.0), (100.0, 40.0), (10.0, 10.0)])
async def test_a_server_that_calls_on_passes_on_what_remains(
    trial: Trial, notes: Notes, own_s: float | None, most_s: float
) -> None:
    async with relayed(trial, notes, own_s) as stub:
        answer = await stub.ask(trial.calls.Question(text="remaining"), timeout_s=40)
    assert 0 < float(answer.text) <= most_s


async def test_a_call_without_a_deadline_passes_on_none(trial: Trial, notes: Notes) -> None:
    async with relayed(trial, notes, None) as stub:
        assert (await stub.ask(trial.calls.Question(text="remaining"))).text == ""


async def test_a_caller_who_gives_up_is_not_worked_for_two_servers_on(trial: Trial, notes: Notes) -> None:
    async with relayed(trial, notes, None) as stub:
        with pytest.raises(RpcError) as late:
            await stub.ask(trial.calls.Question(text="wait"), timeout_s=0.1)
        assert late.value.code is StatusCode.DEADLINE_EXCEEDED
        async with asyncio.timeout(SOME_TIME_S):
            await notes.cancelled.wait()


async def test_a_deadline_leaves_no_trace_in_the_task(stub: Any, trial: Trial) -> None:
    with pytest.raises(RpcError):
        await stub.ask(trial.calls.Question(text="wait"), timeout_s=0.02)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


# -- interceptors ------------------------------------------------------------------------------


async def call_each(stub: Any, trial: Trial) -> None:
    await stub.ask(trial.calls.Question(text="a"))
    assert [answer.text async for answer in stub.listen(trial.calls.Question(text="n", count=1))] == ["n 0"]
    assert (await stub.tell([trial.calls.Question(text="a")])).text == "a"
    assert [answer.text async for answer in stub.talk([trial.calls.Question(text="a")])] == ["a"]


async def test_interceptors_surround_every_call_on_both_sides(trial: Trial, notes: Notes) -> None:
    seen: list[str] = []

    def noting(name: str) -> Callable[[RequestContext], Any]:
        @asynccontextmanager
        async def note(context: RequestContext) -> AsyncIterator[None]:
            seen.append(f"{name} {context.route.rpartition('/')[2]}")
            context.metadata.add("x-passed", name)
            yield
            seen.append(f"{name} ends")

        return note

    async with (
        served(our_service(trial, notes), interceptors=[noting("third"), noting("fourth")]) as server,
        Channel("127.0.0.1", server.port, interceptors=[noting("first"), noting("second")]) as channel,
    ):
        await call_each(trial.calls_grpc.CallsStub(channel), trial)
    names = ["first", "second", "third", "fourth"]
    assert seen == [
        each
        for method in ("Ask", "Listen", "Tell", "Talk")
        for each in [*(f"{name} {method}" for name in names), *(f"{name} ends" for name in reversed(names))]
    ]
    assert notes.contexts[0].metadata.getall("x-passed") == names


async def test_an_interceptor_can_refuse_and_sees_what_went_wrong(trial: Trial, notes: Notes) -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def watched(context: RequestContext) -> AsyncIterator[None]:
        try:
            yield
        except RpcError as error:
            seen.append(error.message)
            raise

    @asynccontextmanager
    async def guarded(context: RequestContext) -> AsyncIterator[None]:
        if context.metadata.get("authorization") != "secret":
            raise RpcError(StatusCode.UNAUTHENTICATED, "who are you?")
        yield

    async with (
        served(our_service(trial, notes), interceptors=[watched, guarded]) as server,
        Channel("127.0.0.1", server.port, interceptors=[watched]) as channel,
    ):
        stub = trial.calls_grpc.CallsStub(channel)
        with pytest.raises(RpcError) as refused:
            await stub.ask(trial.calls.Question())
        assert refused.value.code is StatusCode.UNAUTHENTICATED
        assert (await stub.ask(trial.calls.Question(text="a"), metadata={"authorization": "secret"})).text == "a"
    assert seen == ["who are you?"] * 2
    assert notes.calls == 1


# -- connections -------------------------------------------------------------------------------


async def test_a_server_that_stops_lets_calls_end_and_begins_none(trial: Trial, notes: Notes) -> None:
    async with served(our_service(trial, notes)) as server, Channel("127.0.0.1", server.port, retry=QUICK) as channel:
        stub = trial.calls_grpc.CallsStub(channel)
        waiting = asyncio.create_task(stub.ask(trial.calls.Question(text="wait")))
        await notes.started.wait()
        server.refuse("going down")
        with pytest.raises(RpcError) as refused:
            await stub.ask(trial.calls.Question(text="a"))
        assert refused.value.code is StatusCode.UNAVAILABLE
        notes.release.set()
        assert (await waiting).text == "wait"
        await server.finish(SOME_TIME_S)


async def test_grpcio_s_calls_end_while_our_server_stops(trial: Trial, notes: Notes) -> None:
    async with served(our_service(trial, notes)) as server, grpcio_stub(trial, server.port) as stub:
        waiting = asyncio.create_task(stub.ask(trial.calls.Question(text="wait")))
        await notes.started.wait()
        server.refuse("going down")
        with pytest.raises(RpcError) as refused:
            await stub.ask(trial.calls.Question(text="a"))
        assert refused.value.code is StatusCode.UNAVAILABLE
        notes.release.set()
        assert (await waiting).text == "wait"


async def test_our_calls_end_while_grpcio_s_server_stops(trial: Trial, notes: Notes) -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpcio_service(trial, notes),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with Channel("127.0.0.1", port) as channel:
        stub = trial.calls_grpc.CallsStub(channel)
        waiting = asyncio.create_task(stub.ask(trial.calls.Question(text="wait")))
        await notes.started.wait()
        stopping = asyncio.create_task(server.stop(SOME_TIME_S))
        while channel._slots[0].load() == (1, False):
            await asyncio.sleep(0)
        notes.release.set()
        assert (await waiting).text == "wait"
        await stopping


async def test_a_connection_that_was_closed_is_opened_again(trial: Trial, notes: Notes) -> None:
    limits = Limits(idle_s=0.02)
    async with served(our_service(trial, notes), limits=limits) as server, Channel("127.0.0.1", server.port) as channel:
        stub = trial.calls_grpc.CallsStub(channel)
        for _ in range(3):
            assert (await stub.ask(trial.calls.Question(text="a"))).text == "a"
            async with asyncio.timeout(SOME_TIME_S):
                while server._links:
                    await asyncio.sleep(0.001)


async def test_several_connections_share_the_calls(trial: Trial, notes: Notes) -> None:
    async with (
        served(our_service(trial, notes)) as server,
        Channel("127.0.0.1", server.port, connections=3) as channel,
    ):
        stub = trial.calls_grpc.CallsStub(channel)
        calls = [asyncio.create_task(stub.ask(trial.calls.Question(text="wait"))) for _ in range(6)]
        while notes.calls < 6:
            await asyncio.sleep(0.001)
        assert sorted(link.calls for link in server._links) == [2, 2, 2]
        notes.release.set()
        await asyncio.gather(*calls)


async def test_more_calls_than_streams_wait_for_their_turn(trial: Trial, notes: Notes) -> None:
    limits = Limits(max_streams=3)
    async with served(our_service(trial, notes), limits=limits) as server, Channel("127.0.0.1", server.port) as channel:
        stub = trial.calls_grpc.CallsStub(channel)
        await stub.ask(trial.calls.Question(text="the settings are known"))
        answers = await asyncio.gather(*(stub.ask(trial.calls.Question(text=str(n))) for n in range(50)))
    assert [answer.text for answer in answers] == [str(n) for n in range(50)]


async def test_a_connection_whose_numbers_are_used_up_is_followed_by_another(
    trial: Trial, server: Server, stub: Any, notes: Notes
) -> None:
    await stub.ask(trial.calls.Question(text="a"))
    (slot,) = stub._channel._slots
    first = slot.ready()
    first.http2.next_id = LAST_STREAM
    for _ in range(2):
        assert (await stub.ask(trial.calls.Question(text="a"))).text == "a"
    assert (first.closing, first.http2.next_id) == (True, LAST_STREAM + 2)


async def test_a_closed_channel_opens_nothing(trial: Trial, server: Server) -> None:
    channel = Channel("127.0.0.1", server.port)
    channel.close()
    with pytest.raises(RpcError, match="the channel was closed"):
        await trial.calls_grpc.CallsStub(channel).ask(trial.calls.Question())


async def test_nobody_at_the_address_is_unavailable(trial: Trial) -> None:
    async with Channel("127.0.0.1", 1) as channel:
        with pytest.raises(RpcError) as failed:
            await trial.calls_grpc.CallsStub(channel).ask(trial.calls.Question())
    assert failed.value.code is StatusCode.UNAVAILABLE


# -- what goes wrong on this side --------------------------------------------------------------


async def test_a_request_that_cannot_be_written_names_its_field(stub: Any, trial: Trial) -> None:
    for call in (stub.ask(trial.calls.Question(count=1 << 40)), stub.tell([trial.calls.Question(count=1 << 40)])):
        with pytest.raises(RpcError, match="count") as refused:
            await call
        assert refused.value.code is StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("kind", ["tell", "talk"])
async def test_requests_that_stop_coming_end_the_call_with_their_own_error(stub: Any, trial: Trial, kind: str) -> None:
    async def questions() -> AsyncIterator[Any]:
        yield trial.calls.Question(text="a")
        raise LookupError("no more paper")

    answer = getattr(stub, kind)(questions())
    with pytest.raises(LookupError, match="no more paper"):
        await (answer if kind == "tell" else _last(answer))


async def _last(answers: AsyncIterator[Any]) -> None:
    async for _ in answers:
        pass


async def test_an_answer_beyond_the_limit_is_refused(trial: Trial, server: Server) -> None:
    async with Channel("127.0.0.1", server.port, max_message_bytes=1000) as channel:
        stub = trial.calls_grpc.CallsStub(channel)
        with pytest.raises(RpcError, match="larger than the limit of 1000") as refused:
            await stub.ask(trial.calls.Question(count=2000))
        assert refused.value.code is StatusCode.RESOURCE_EXHAUSTED
        assert (await stub.ask(trial.calls.Question(text="a"))).text == "a"


@pytest.mark.parametrize(
    "metadata", [{"x": "new\nline"}, {"X": "a"}, {"x-bin": "text"}, {"x": b"bytes"}, {"te": "a"}, {"upgrade": "a"}]
)
async def test_metadata_that_cannot_travel_is_a_value_error(stub: Any, trial: Trial, metadata: Any) -> None:
    with pytest.raises(ValueError, match="metadata"):
        await stub.ask(trial.calls.Question(), metadata=metadata)
    assert (await stub.ask(trial.calls.Question(text="a"))).text == "a"


async def test_metadata_that_cannot_be_answered_is_a_fault_of_the_server(
    trial: Trial, notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    service = our_service(trial, notes)

    async def ask(request: Any, context: RequestContext) -> Any:
        context.response_metadata.trailing["x"] = "new\nline"
        return trial.calls.Answer()

    service.ask = ask
    async with served(service) as server, Channel("127.0.0.1", server.port) as channel:
        with pytest.raises(RpcError) as failed:
            await trial.calls_grpc.CallsStub(channel).ask(trial.calls.Question())
    assert failed.value.code is StatusCode.INTERNAL
    assert "the metadata 'x' carries printable" in caplog.text


async def test_a_stream_whose_first_metadata_cannot_be_answered_is_a_fault_of_the_server(
    trial: Trial, notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    service = our_service(trial, notes)

    async def listen(request: Any, context: RequestContext) -> AsyncIterator[Any]:
        context.response_metadata.initial["x"] = "new\nline"
        yield trial.calls.Answer()

    service.listen = listen
    async with served(service) as server, Channel("127.0.0.1", server.port) as channel:
        with pytest.raises(RpcError) as failed:
            await anext(trial.calls_grpc.CallsStub(channel).listen(trial.calls.Question()))
    assert failed.value.code is StatusCode.INTERNAL
    assert "the metadata 'x' carries printable" in caplog.text


async def test_an_answer_that_a_caller_leaves_early_is_ended_on_the_server(
    stub: Any, trial: Trial, notes: Notes
) -> None:
    answers = stub.listen(trial.calls.Question(text="wait", count=1))
    assert (await anext(answers)).text == "wait 0"
    await notes.started.wait()
    await answers.aclose()
    async with asyncio.timeout(SOME_TIME_S):
        await notes.cancelled.wait()


async def test_what_a_call_held_whose_caller_is_gone_needs_no_garbage_collector(trial: Trial, notes: Notes) -> None:
    class Held:
        """Something large."""

    held: list[weakref.ref[Held]] = []

    async def read(requests: AsyncIterator[Any]) -> Held:
        large = Held()
        held.append(weakref.ref(large, lambda _: notes.release.set()))
        async for _ in requests:
            notes.started.set()
        return large

    async def tell(requests: AsyncIterator[Any], context: RequestContext) -> Any:
        await asyncio.wait([asyncio.create_task(read(requests))])

    service = our_service(trial, notes)
    service.tell = tell

    async def requests() -> AsyncIterator[Any]:
        yield trial.calls.Question()
        await asyncio.Event().wait()

    gc.disable()
    try:
        async with served(service) as server, Channel("127.0.0.1", server.port) as channel:
            telling = asyncio.create_task(trial.calls_grpc.CallsStub(channel).tell(requests()))
            await notes.started.wait()
            telling.cancel()
            await asyncio.wait([telling])
            await asyncio.wait_for(notes.release.wait(), SOME_TIME_S)
    finally:
        gc.enable()
    assert [each() for each in held] == [None]
