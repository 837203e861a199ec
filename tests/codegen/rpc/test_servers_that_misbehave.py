"""Servers that do not behave: a call to them ends with an error that says so, and never hangs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import RequestReceived
from h2.exceptions import ProtocolError

from cerebelum_codegen.runtime.rpc import (
    Channel,
    Keepalive,
    RpcError,
    StatusCode,
)
from tests.codegen.conftest import Trial
from tests.codegen.rpc.conftest import grpcio_served, served
from tests.codegen.rpc.echo import Notes, grpcio_service, our_service
from tests.codegen.rpc.raw import QUICK, SOME_TIME_S

Answer = Callable[[H2Connection, int], None]


class Misbehaving(asyncio.Protocol):
    """The server's side of one connection; without an answer it says nothing at all."""

    def __init__(self, answer: Answer | None) -> None:
        self._answer = answer
        self._http2 = H2Connection(H2Configuration(client_side=False, validate_outbound_headers=False))

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._http2.initiate_connection()

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            return
        with suppress(ProtocolError):
            for event in self._http2.receive_data(data):
                if isinstance(event, RequestReceived):
                    self._answer(self._http2, event.stream_id)
        self._transport.write(self._http2.data_to_send())


@asynccontextmanager
async def misbehaving(answer: Answer | None) -> AsyncIterator[int]:
    """A server that answers each call so."""
    server = await asyncio.get_running_loop().create_server(lambda: Misbehaving(answer), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


GRPC = [(":status", "200"), ("content-type", "application/grpc")]


def headers(*more: tuple[str, str], end: bool = True, data: bytes = b"") -> Answer:
    def answer(http2: H2Connection, stream_id: int) -> None:
        http2.send_headers(stream_id, [*more], end_stream=end and not data)
        if data:
            http2.send_data(stream_id, data, end_stream=end)

    return answer


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (headers(*GRPC), StatusCode.UNKNOWN),
        (headers(*GRPC, data=b"\0\0\0\0\0"), StatusCode.UNKNOWN),
        (headers(*GRPC, data=b"\0\0\0"), StatusCode.INTERNAL),
        (headers(*GRPC, data=b"\0\0\0\0\1\xff"), StatusCode.INTERNAL),
        (headers(*GRPC, ("grpc-status", "99")), StatusCode.UNKNOWN),
        (headers(*GRPC, ("grpc-status", "0")), StatusCode.INTERNAL),
        (headers(*GRPC, ("grpc-status", "00")), StatusCode.INTERNAL),
        (headers(*GRPC, ("grpc-encoding", "br"), data=b"\1\0\0\0\1\xff"), StatusCode.INTERNAL),
        (headers((":status", "503"), ("content-type", "text/html"), data=b"<html>"), StatusCode.UNAVAILABLE),
        (headers((":status", "200"), ("content-type", "text/html"), data=b"<html>"), StatusCode.UNKNOWN),
        (lambda http2, stream: http2.reset_stream(stream, ErrorCodes.INTERNAL_ERROR), StatusCode.INTERNAL),
        (lambda http2, _: http2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM), StatusCode.UNAVAILABLE),
        (lambda http2, _: http2.close_connection(last_stream_id=0), StatusCode.UNAVAILABLE),
    ],
)
async def test_an_answer_that_is_none_is_an_error_and_no_hang(trial: Trial, answer: Answer, code: StatusCode) -> None:
    async with misbehaving(answer) as port, Channel("127.0.0.1", port, retry=QUICK) as channel:
        async with asyncio.timeout(SOME_TIME_S):
            with pytest.raises(RpcError) as failed:
                await trial.calls_grpc.CallsStub(channel).ask(trial.calls.Question())
    assert failed.value.code is code


async def test_a_call_that_a_server_leaves_unbegun_is_made_again_whyever_it_leaves(trial: Trial) -> None:
    farewells: list[bytes] = [b"too_many_pings"]

    def answer(http2: H2Connection, stream_id: int) -> None:
        if farewells:
            http2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM, farewells.pop(), last_stream_id=0)
        else:
            headers(*GRPC, ("grpc-status", "5"), ("grpc-message", "begun"))(http2, stream_id)

    async with misbehaving(answer) as port, Channel("127.0.0.1", port, retry=QUICK) as channel:
        with pytest.raises(RpcError, match="begun"):
            await trial.calls_grpc.CallsStub(channel).ask(trial.calls.Question())


async def test_why_a_server_leaves_is_told_in_its_own_words(trial: Trial) -> None:
    def answer(http2: H2Connection, stream_id: int) -> None:
        http2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM, b"too_many_pings")

    async with misbehaving(answer) as port, Channel("127.0.0.1", port) as channel:
        with pytest.raises(RpcError, match="ENHANCE_YOUR_CALM too_many_pings"):
            await trial.calls_grpc.CallsStub(channel).ask(trial.calls.Question())


async def test_a_call_whose_time_is_over_is_not_made(trial: Trial) -> None:
    asked: list[int] = []

    def answer(http2: H2Connection, stream_id: int) -> None:
        asked.append(stream_id)
        headers(*GRPC, ("grpc-status", "5"))(http2, stream_id)

    async with misbehaving(answer) as port, Channel("127.0.0.1", port) as channel:
        stub = trial.calls_grpc.CallsStub(channel)
        for timeout_s in (None, 0, None):
            with pytest.raises(RpcError) as failed:
                await stub.ask(trial.calls.Question(), timeout_s=timeout_s)
            assert failed.value.code is (StatusCode.NOT_FOUND if timeout_s is None else StatusCode.DEADLINE_EXCEEDED)
    assert asked == [1, 3]


@pytest.mark.parametrize(
    "options", [{"connect_s": 0.05}, {"keepalive": Keepalive(after_s=0.02, timeout_s=0.02)}], ids=str
)
async def test_a_server_that_says_nothing_is_given_up(trial: Trial, options: dict[str, Any]) -> None:
    async with misbehaving(None) as port, Channel("127.0.0.1", port, **options) as channel:
        async with asyncio.timeout(SOME_TIME_S):
            with pytest.raises(RpcError) as failed:
                await trial.calls_grpc.CallsStub(channel).ask(trial.calls.Question())
    assert failed.value.code is StatusCode.UNAVAILABLE


async def test_a_connection_that_is_lost_ends_its_calls(trial: Trial, notes: Notes) -> None:
    async with served(our_service(trial, notes)) as server, Channel("127.0.0.1", server.port) as channel:
        stub = trial.calls_grpc.CallsStub(channel)
        waiting: Awaitable[Any] = asyncio.create_task(stub.ask(trial.calls.Question(text="wait")))
        await notes.started.wait()
        for link in list(server._links):
            link.abort("a test")
        with pytest.raises(RpcError) as failed:
            await waiting
        assert failed.value.code is StatusCode.UNAVAILABLE
        notes.release.set()
        assert (await stub.ask(trial.calls.Question(text="a"))).text == "a"


async def test_grpcio_s_server_takes_our_keepalive(trial: Trial, notes: Notes) -> None:
    keepalive = Keepalive(after_s=0.02, timeout_s=5)
    async with (
        grpcio_served(grpcio_service(trial, notes)) as port,
        Channel("127.0.0.1", port, keepalive=keepalive) as channel,
    ):
        stub = trial.calls_grpc.CallsStub(channel)
        waiting = asyncio.create_task(stub.ask(trial.calls.Question(text="wait")))
        await notes.started.wait()
        link = channel._slots[0]._link
        assert link is not None
        before = link.patience.heard_at
        while link.patience.heard_at == before:
            await asyncio.sleep(0.001)
        notes.release.set()
        assert (await waiting).text == "wait"
