"""gRPC's own services, asked by grpcio's own clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from cerebelum_codegen.runtime.rpc import Channel, Service
from cerebelum_codegen.runtime.rpc.health import Health, ServingStatus
from cerebelum_codegen.runtime.rpc.reflection import reflection
from cerebelum_proto.grpc.reflection.v1 import reflection_pb as v1
from cerebelum_proto.grpc.reflection.v1.reflection_grpc import ServerReflectionStub
from tests.codegen.conftest import Trial
from tests.codegen.rpc.conftest import served
from tests.codegen.rpc.echo import Notes, our_service

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


@pytest.fixture
def health(trial: Trial, notes: Notes) -> Health:
    return Health([our_service(trial, notes)])


@pytest.fixture
async def port(trial: Trial, notes: Notes, health: Health) -> AsyncIterator[int]:
    services: list[Service] = [our_service(trial, notes), health]
    async with served(*services, *reflection(services)) as server:
        yield server.port


@pytest.fixture
async def channel(port: int) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel


async def test_a_server_and_each_of_its_services_serve_until_told_otherwise(
    channel: grpc.aio.Channel, health: Health
) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    for service in ("", "trial.Calls"):
        assert (await stub.Check(health_pb2.HealthCheckRequest(service=service))).status == SERVING
    health.set("trial.Calls", ServingStatus.NOT_SERVING)
    assert (await stub.Check(health_pb2.HealthCheckRequest(service="trial.Calls"))).status == NOT_SERVING
    listed = await stub.List(health_pb2.HealthListRequest())
    assert {name: each.status for name, each in listed.statuses.items()} == {"": SERVING, "trial.Calls": NOT_SERVING}


async def test_a_service_that_nobody_knows_is_not_found(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="shop.Missing"))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_whoever_watches_is_told_each_change_and_let_go_at_the_end(
    channel: grpc.aio.Channel, health: Health
) -> None:
    watching = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service="later.Service"))
    assert (await watching.read()).status == SERVICE_UNKNOWN
    health.set("later.Service", ServingStatus.SERVING)
    assert (await watching.read()).status == SERVING
    health.stop()
    assert (await watching.read()).status == NOT_SERVING
    assert await watching.read() is grpc.aio.EOF


async def test_grpcio_s_reflection_client_rebuilds_the_service(port: int) -> None:
    def describe() -> tuple[list[str], dict[str, str]]:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            service = DescriptorPool(database).FindServiceByName("trial.Calls")
            methods = {each.name: each.output_type.full_name for each in service.methods}
            return sorted(database.get_services()), methods

    services, methods = await asyncio.to_thread(describe)
    assert services == [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "trial.Calls",
    ]
    assert methods["Talk"] == "trial.Answer"
    assert methods["Nothing"] == "google.protobuf.Empty"


async def asked(channel: grpc.aio.Channel, **question: Any) -> Any:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(**question)]))
    answer = await call.read()
    assert await call.read() is grpc.aio.EOF
    return answer


@pytest.mark.parametrize(
    ("question", "file"),
    [
        ({"file_by_filename": "google/protobuf/empty.proto"}, "google/protobuf/empty.proto"),
        ({"file_containing_symbol": "trial.Calls"}, "trial/calls.proto"),
        ({"file_containing_symbol": "trial.Calls.Ask"}, "trial/calls.proto"),
        ({"file_containing_symbol": "trial.Question"}, "trial/calls.proto"),
        ({"file_containing_symbol": "grpc.health.v1.HealthCheckResponse.ServingStatus"}, "grpc/health/v1/health.proto"),
    ],
)
async def test_a_file_is_found_by_each_of_its_names(
    channel: grpc.aio.Channel, question: dict[str, str], file: str
) -> None:
    (found,) = (await asked(channel, **question)).file_descriptor_response.file_descriptor_proto
    assert FileDescriptorProto.FromString(found).name == file


@pytest.mark.parametrize(
    ("question", "code"),
    [
        ({"file_by_filename": "missing.proto"}, grpc.StatusCode.NOT_FOUND),
        ({"file_containing_symbol": "trial.Missing"}, grpc.StatusCode.NOT_FOUND),
        ({"all_extension_numbers_of_type": "trial.Missing"}, grpc.StatusCode.NOT_FOUND),
        ({"file_containing_extension": {"containing_type": "trial.Question"}}, grpc.StatusCode.NOT_FOUND),
        ({}, grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_what_is_not_there_is_said_in_the_answer(
    channel: grpc.aio.Channel, question: Any, code: grpc.StatusCode
) -> None:
    assert (await asked(channel, **question)).error_response.error_code == code.value[0]


async def test_v1_answers_the_same_for_our_own_stub(port: int) -> None:
    async with Channel("127.0.0.1", port) as channel:
        question = v1.ServerReflectionRequest(
            host="here", message_request=v1.ServerReflectionRequest_AllExtensionNumbersOfType("trial.Question")
        )
        (answer,) = [each async for each in ServerReflectionStub(channel).server_reflection_info([question])]
    assert answer.valid_host == "here"
    assert answer.original_request == question
    assert answer.message_response == v1.ExtensionNumberResponse(base_type_name="trial.Question")
