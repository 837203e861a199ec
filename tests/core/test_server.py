"""What a real Core grants to whoever connects to it, and what tools can ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from cerebelum_client import AddressError, CerebelumClient, InvalidRequest, execute_request
from cerebelum_codegen.runtime.rpc import Limits
from cerebelum_core.server import core_server, open_node
from cerebelum_proto.types.v1.types_pb import Payload
from tests.cli.command_line import cerebelum
from tests.e2e.stage import stage

SOME_TIME_S = 30.0
"""A bound on every wait, not an expectation."""
CERTIFICATE = Path(__file__).parents[1] / "codegen/rpc/certificates/server.pem"


@asynccontextmanager
async def listening(limits: Limits) -> AsyncIterator[int]:
    """The port of a Core in memory."""
    node = open_node("memory://")
    server, _ = core_server(node, limits)
    await node.start()
    await server.start("127.0.0.1")
    yield server.port
    await node.drain()
    server.close()
    await server.wait_closed()
    await node.stop()


@pytest.mark.parametrize("said", [b"", b"PRI * HTTP/2.0\r\n", b"GET / HTTP/1.1\r\n"])
async def test_a_connection_that_does_not_begin_is_dropped(said: bytes) -> None:
    async with listening(Limits(handshake_s=0.05)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(said)
        async with asyncio.timeout(SOME_TIME_S):
            with suppress(ConnectionError):
                while await reader.read(1000):
                    pass
        writer.transport.abort()


async def test_a_connection_that_does_nothing_is_closed_and_its_client_opens_another() -> None:
    async with listening(Limits(idle_s=0.05)) as port, CerebelumClient(f"127.0.0.1:{port}") as client:
        first = await client.server_info()
        link = client._channel._slots[0]._link
        assert link is not None
        async with asyncio.timeout(SOME_TIME_S):
            while link.open:
                await asyncio.sleep(0.001)
        assert await client.server_info() == first


async def test_a_request_above_four_megabytes_is_refused_and_one_below_is_not() -> None:
    async with listening(Limits()) as port, CerebelumClient(f"127.0.0.1:{port}") as client:
        with pytest.raises(InvalidRequest, match="larger than the limit of 4194304"):
            await client.executions.start(execute_request("order", Payload(data=bytes(4 << 20))))
        with pytest.raises(Exception, match="order"):
            await client.executions.start(execute_request("order", Payload(data=bytes((4 << 20) - 1000))))


async def test_health_and_reflection_tell_of_every_service() -> None:
    def services(port: int) -> list[str]:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            return sorted(ProtoReflectionDescriptorDatabase(channel).get_services())

    async with listening(Limits()) as port:
        found = await asyncio.to_thread(services, port)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            for service in ("", "cerebelum.worker.WorkerService"):
                request = health_pb2.HealthCheckRequest(service=service)
                answer = await health_pb2_grpc.HealthStub(channel).Check(request)
                assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert {"cerebelum.control.v1.ControlService", "cerebelum.worker.WorkerService"} < set(found)


async def test_a_core_with_a_certificate_is_reached_by_those_who_check_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = ("--tls-cert", str(CERTIFICATE), "--tls-key", str(CERTIFICATE.with_suffix(".key")))
    async with stage(tmp_path, *identity) as on:
        async with CerebelumClient(on.core.address, tls_ca=str(CERTIFICATE)) as client:
            assert (await client.server_info()).version
        monkeypatch.setenv("CEREBELUM_TLS_CA", str(CERTIFICATE))
        listed = await asyncio.to_thread(cerebelum, "list", folder=tmp_path, CEREBELUM_URL=on.core.address)
        assert listed.code == 0, listed


def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(AddressError, match=r"missing\.pem.*CEREBELUM_TLS_CA"):
        CerebelumClient("127.0.0.1:1", tls_ca=str(tmp_path / "missing.pem"))
