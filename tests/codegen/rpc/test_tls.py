"""Connections that nobody else can read. The certificate beside this file is for tests alone."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio
import pytest

from cerebelum_codegen.runtime.rpc import (
    Channel,
    Limits,
    RpcError,
    Server,
    StatusCode,
    TlsError,
    client_tls,
    server_tls,
)
from tests.codegen.conftest import Trial
from tests.codegen.rpc.echo import GrpcioStub, Notes, our_service
from tests.codegen.rpc.raw import SOME_TIME_S

CERTIFICATE = Path(__file__).parent / "certificates" / "server.pem"
KEY = CERTIFICATE.with_suffix(".key")


@pytest.fixture(autouse=True)
def sockets_of_handshakes() -> Iterator[None]:
    """asyncio leaves the socket of a handshake that is cut off to the collector: let no later test meet it."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@asynccontextmanager
async def served(trial: Trial, notes: Notes, limits: Limits | None = None) -> AsyncIterator[int]:
    server = Server([our_service(trial, notes)], limits=limits)
    await server.start("127.0.0.1", tls=server_tls(CERTIFICATE, KEY))
    yield server.port
    server.close()
    await server.wait_closed()


@pytest.fixture
async def port(trial: Trial, notes: Notes) -> AsyncIterator[int]:
    async with served(trial, notes) as port:
        yield port


async def test_who_trusts_the_certificate_is_served(trial: Trial, port: int) -> None:
    async with Channel("localhost", port, tls=client_tls(CERTIFICATE)) as channel:
        assert (await trial.calls_grpc.CallsStub(channel).ask(trial.calls.Question(text="a"))).text == "a"


async def test_grpcio_is_served_too(trial: Trial, port: int) -> None:
    trusted = grpc.ssl_channel_credentials(CERTIFICATE.read_bytes())
    async with grpc.aio.secure_channel(f"localhost:{port}", trusted) as channel:
        assert (await GrpcioStub(trial, channel).ask(trial.calls.Question(text="a"))).text == "a"


async def test_who_does_not_trust_it_calls_nothing(trial: Trial, port: int) -> None:
    async with Channel("localhost", port, tls=client_tls()) as channel:
        with pytest.raises(RpcError, match="certificate verify failed") as refused:
            await trial.calls_grpc.CallsStub(channel).ask(trial.calls.Question())
    assert refused.value.code is StatusCode.UNAVAILABLE


async def test_plain_text_is_not_served(trial: Trial, port: int) -> None:
    async with Channel("localhost", port) as channel:
        with pytest.raises(RpcError) as refused:
            await trial.calls_grpc.CallsStub(channel).ask(trial.calls.Question())
    assert refused.value.code is StatusCode.UNAVAILABLE


async def test_a_handshake_that_stands_still_is_dropped(trial: Trial, notes: Notes) -> None:
    async with served(trial, notes, Limits(handshake_s=0.1)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x16\x03\x01")
        async with asyncio.timeout(SOME_TIME_S):
            assert await reader.read() == b""
        writer.close()


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("nothing")
    with pytest.raises(TlsError, match="missing.pem"):
        server_tls(tmp_path / "missing.pem", KEY)
    with pytest.raises(TlsError, match="no.pem"):
        client_tls(tmp_path / "no.pem")
