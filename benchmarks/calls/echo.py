"""A service that answers with what it is asked, by our runtime and by grpcio. Its messages are bytes as they are.

`python -m benchmarks.calls.echo PEER` serves it and prints its port.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

import grpc
import grpc.aio

from benchmarks.engine.loops import run_quick
from cerebelum_codegen.runtime.rpc import Channel, Limits, RequestContext, Server
from cerebelum_codegen.runtime.rpc.v1 import Handler, Method, ProtoFile, Service, Stub

Say = Callable[[bytes], Awaitable[object]]
ROUTE = "/benchmarks.Echo/Say"


@dataclass(frozen=True, slots=True)
class Blob:
    """A message without a codec."""

    data: bytes

    def to_bytes(self) -> bytes:
        return self.data

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls(data)


SAY = Method(ROUTE, Blob, Blob)


class Echo(Service):
    """Ours."""

    def __handlers__(self) -> Sequence[Handler]:
        return (self._unary_unary(self.say, SAY),)

    def __files__(self) -> Sequence[ProtoFile]:
        return ()

    async def say(self, request: Blob, context: RequestContext) -> Blob:
        return request


class EchoStub(Stub):
    """Ours."""

    async def say(self, data: bytes) -> Blob:
        return await self._unary_unary(SAY, Blob(data), None, None, None)


@asynccontextmanager
async def caller(peer: str, port: int) -> AsyncIterator[Say]:
    """How a client of a peer's own kind calls."""
    if peer == "grpcio":
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            theirs: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(ROUTE)
            yield theirs
    else:
        async with Channel("127.0.0.1", port) as ours:
            yield EchoStub(ours).say


async def _serve(peer: str) -> None:
    if peer == "grpcio":
        server = grpc.aio.server()
        say: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(_say)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("benchmarks.Echo", {"Say": say}),))
        print(server.add_insecure_port("127.0.0.1:0"), flush=True)
        await server.start()
    else:
        ours = Server([Echo()], limits=Limits(max_streams=10_000))
        await ours.start("127.0.0.1")
        print(ours.port, flush=True)
    await asyncio.Event().wait()


async def _say(request: bytes, context: object) -> bytes:
    return request


if __name__ == "__main__":
    run_quick(_serve(sys.argv[1]))
