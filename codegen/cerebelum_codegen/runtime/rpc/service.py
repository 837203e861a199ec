"""What generated server bases are made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing

from cerebelum_codegen.runtime.rpc.context import RequestContext
from cerebelum_codegen.runtime.rpc.iterating import each_of
from cerebelum_codegen.runtime.rpc.method import Method, ProtoFile, Request, Response
from cerebelum_codegen.runtime.rpc.serving import Handler, MethodHandler, ServerCall


class Service(ABC):
    """Base of generated servers: give an instance to `Server`.

    A method refuses a call by raising `RpcError`. Anything else that it raises becomes INTERNAL, without its words.
    """

    @abstractmethod
    def __handlers__(self) -> Sequence[Handler]:
        """Its methods, and how this object answers them."""

    @abstractmethod
    def __files__(self) -> Sequence[ProtoFile]:
        """The .proto file that declares it, and all that this imports."""

    def _unary_unary(
        self,
        answer: Callable[[Request, RequestContext], Awaitable[Response]],
        method: Method[Request, Response],
    ) -> Handler:
        async def serve(call: ServerCall[Request, Response]) -> None:
            call.answer(await answer(await call.request(), call.context))

        return MethodHandler(method, serve)

    def _unary_stream(
        self,
        answer: Callable[[Request, RequestContext], AsyncIterator[Response]],
        method: Method[Request, Response],
    ) -> Handler:
        async def serve(call: ServerCall[Request, Response]) -> None:
            await _send_all(call, answer(await call.request(), call.context))

        return MethodHandler(method, serve)

    def _stream_unary(
        self,
        answer: Callable[[AsyncIterator[Request], RequestContext], Awaitable[Response]],
        method: Method[Request, Response],
    ) -> Handler:
        async def serve(call: ServerCall[Request, Response]) -> None:
            call.answer(await answer(call.requests(), call.context))

        return MethodHandler(method, serve)

    def _stream_stream(
        self,
        answer: Callable[[AsyncIterator[Request], RequestContext], AsyncIterator[Response]],
        method: Method[Request, Response],
    ) -> Handler:
        async def serve(call: ServerCall[Request, Response]) -> None:
            await _send_all(call, answer(call.requests(), call.context))

        return MethodHandler(method, serve)


async def _send_all(call: ServerCall[Request, Response], responses: AsyncIterator[Response]) -> None:
    async with aclosing(each_of(responses)) as each:
        async for response in each:
            await call.send(response)
