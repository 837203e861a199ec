"""Calls whose requests and answers are well-known types: instants, spans, wrapped numbers, Structs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf import duration_pb2, struct_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.message import Message

from cerebelum_codegen.known.struct_pb import Struct
from cerebelum_codegen.known.wrappers_pb import Int64Value
from cerebelum_codegen.runtime import Duration, Timestamp
from cerebelum_codegen.runtime.rpc import Channel, RequestContext, RpcError
from tests.codegen.conftest import Trial
from tests.codegen.rpc.conftest import grpcio_served, served

NOW = Timestamp(1_000, 5)
STRUCT = Struct(fields={"a": 1.5})


def our_service(trial: Trial) -> Any:
    class Plain(trial.calls_grpc.PlainBase):  # type: ignore[name-defined,misc]  # generated while the tests run
        async def until(self, request: Timestamp, context: RequestContext) -> Duration:
            return Duration.from_ns(request.to_ns() - NOW.to_ns())

        async def ticks(self, request: Duration, context: RequestContext) -> AsyncIterator[Timestamp]:
            for number in range(1, 4):
                yield Timestamp.from_ns(NOW.to_ns() + number * request.to_ns())

        async def double(self, request: Int64Value, context: RequestContext) -> Int64Value:
            return Int64Value(value=2 * request.value)

        async def same(self, request: Struct, context: RequestContext) -> Struct:
            return request

    return Plain()


def grpcio_service() -> grpc.GenericRpcHandler:
    async def until(request: Any, context: Any) -> Any:
        return duration_pb2.Duration(seconds=request.seconds - NOW.seconds, nanos=request.nanos - NOW.nanos)

    async def ticks(request: Any, context: Any) -> AsyncIterator[Any]:
        for number in range(1, 4):
            yield timestamp_pb2.Timestamp(seconds=NOW.seconds + number * request.seconds, nanos=NOW.nanos)

    async def double(request: Any, context: Any) -> Any:
        return wrappers_pb2.Int64Value(value=2 * request.value)

    async def same(request: Any, context: Any) -> Any:
        return request

    def unary(function: Any, kind: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(function, kind.FromString, _written)

    handlers = {
        "Until": unary(until, timestamp_pb2.Timestamp),
        "Ticks": grpc.unary_stream_rpc_method_handler(ticks, duration_pb2.Duration.FromString, _written),
        "Double": unary(double, wrappers_pb2.Int64Value),
        "Same": unary(same, struct_pb2.Struct),
    }
    return grpc.method_handlers_generic_handler("trial.Plain", handlers)


def _written(message: Message) -> bytes:
    return message.SerializeToString()


async def check(stub: Any) -> None:
    assert await stub.until(Timestamp(1_060, 5)) == Duration(60)
    assert [tick.seconds async for tick in stub.ticks(Duration(10))] == [1_010, 1_020, 1_030]
    assert await stub.double(Int64Value(value=-21)) == Int64Value(value=-42)
    assert await stub.same(STRUCT) == STRUCT


async def test_ours_talks_with_ours(trial: Trial) -> None:
    async with served(our_service(trial)) as server, Channel("127.0.0.1", server.port) as channel:
        await check(trial.calls_grpc.PlainStub(channel))


async def test_ours_calls_grpcio(trial: Trial) -> None:
    async with grpcio_served(grpcio_service()) as port, Channel("127.0.0.1", port) as channel:
        await check(trial.calls_grpc.PlainStub(channel))


async def test_grpcio_calls_ours(trial: Trial) -> None:
    async with served(our_service(trial)) as server, grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        until = channel.unary_unary("/trial.Plain/Until", _written, duration_pb2.Duration.FromString)
        assert (await until(timestamp_pb2.Timestamp(seconds=1_060, nanos=5))).seconds == 60
        ticks = channel.unary_stream("/trial.Plain/Ticks", _written, timestamp_pb2.Timestamp.FromString)
        assert [tick.seconds async for tick in ticks(duration_pb2.Duration(seconds=10))] == [1_010, 1_020, 1_030]
        double = channel.unary_unary("/trial.Plain/Double", _written, wrappers_pb2.Int64Value.FromString)
        assert (await double(wrappers_pb2.Int64Value(value=-21))).value == -42


@pytest.mark.parametrize("instant", [Timestamp(nanos=-1), Timestamp(1.5)])  # type: ignore[arg-type]  # the point of it
async def test_an_instant_that_does_not_exist_is_not_sent(trial: Trial, instant: Timestamp) -> None:
    async with served(our_service(trial)) as server, Channel("127.0.0.1", server.port) as channel:
        with pytest.raises(RpcError, match=r"cannot be written: google\.protobuf\.Timestamp: "):
            await trial.calls_grpc.PlainStub(channel).until(instant)
