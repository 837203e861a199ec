from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import pytest

from cerebelum_codegen.runtime.rpc import Channel, Server
from tests.codegen.conftest import Trial
from tests.codegen.rpc.echo import GrpcioStub, Notes, grpcio_service, our_service


@pytest.fixture
def notes() -> Notes:
    return Notes()


@asynccontextmanager
async def served(*services: Any, **options: Any) -> AsyncIterator[Server]:
    """Our server on a free port."""
    server = Server(services, **options)
    await server.start("127.0.0.1")
    try:
        yield server
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def grpcio_served(*handlers: Any) -> AsyncIterator[int]:
    """grpcio's server on a free port."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


@asynccontextmanager
async def grpcio_stub(trial: Trial, port: int, **options: Any) -> AsyncIterator[GrpcioStub]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield GrpcioStub(trial, channel, **options)


@pytest.fixture
async def server(trial: Trial, notes: Notes) -> AsyncIterator[Server]:
    async with served(our_service(trial, notes)) as server:
        yield server


@pytest.fixture
async def stub(trial: Trial, server: Server) -> AsyncIterator[Any]:
    async with Channel("127.0.0.1", server.port) as channel:
        yield trial.calls_grpc.CallsStub(channel)


@pytest.fixture(params=["ours to ours", "ours to grpcio", "grpcio to ours"])
async def pair(request: pytest.FixtureRequest, trial: Trial, notes: Notes) -> AsyncIterator[Any]:
    """A client of one kind at a server of another."""
    match request.param:
        case "ours to ours":
            async with served(our_service(trial, notes)) as server, Channel("127.0.0.1", server.port) as channel:
                yield trial.calls_grpc.CallsStub(channel)
        case "ours to grpcio":
            async with grpcio_served(grpcio_service(trial, notes)) as port, Channel("127.0.0.1", port) as channel:
                yield trial.calls_grpc.CallsStub(channel)
        case _:  # grpcio to ours
            async with served(our_service(trial, notes)) as server, grpcio_stub(trial, server.port) as stub:
                yield stub
