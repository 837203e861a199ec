"""What generated stubs are made of: the four kinds of call, and one kind of error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, closing
from typing import TypeAlias, TypeVar

from multidict import MultiDict

from cerebelum_codegen.runtime.errors import EncodeError
from cerebelum_codegen.runtime.rpc.calling import ClientCall, too_late
from cerebelum_codegen.runtime.rpc.channel import Channel
from cerebelum_codegen.runtime.rpc.connection import Link
from cerebelum_codegen.runtime.rpc.context import Metadata, RequestContext, ResponseMetadata, surrounding
from cerebelum_codegen.runtime.rpc.deadline import Deadline, inherited
from cerebelum_codegen.runtime.rpc.errors import RpcError, StatusCode
from cerebelum_codegen.runtime.rpc.framing import framed
from cerebelum_codegen.runtime.rpc.iterating import each_of
from cerebelum_codegen.runtime.rpc.method import Method, Request, Response

_Item = TypeVar("_Item")

Requests: TypeAlias = AsyncIterable[_Item] | Iterable[_Item]
"""What a call that streams its requests takes."""


class Stub:
    """Base of generated stubs. Every failure of a call is an `RpcError`.

    `timeout_s` bounds a call. Inside of a server's method, what remains of its own deadline bounds it as well.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def _unary_unary(
        self,
        method: Method[Request, Response],
        request: Request,
        timeout_s: float | None,
        metadata: Metadata | None,
        response_metadata: ResponseMetadata | None,
    ) -> Response:
        data = _framed(method, request)
        context = _context(method, timeout_s, metadata, response_metadata)
        if not self._channel.interceptors:
            return await self._unary(method, data, context)
        async with self._surrounded(context):
            return await self._unary(method, data, context)

    async def _unary(self, method: Method[Request, Response], data: bytes, context: RequestContext) -> Response:
        pauses: Iterator[float] | None = None
        while True:
            try:
                call = await self._call(method, context)
                try:
                    await call.send(data, end=True)
                    return await _only(call)
                finally:
                    call.close()
            except RpcError as error:
                pauses = self._channel.retry.pauses() if pauses is None else pauses
                await self._pause(error, method, context, next(pauses, None))

    async def _unary_stream(
        self,
        method: Method[Request, Response],
        request: Request,
        timeout_s: float | None,
        metadata: Metadata | None,
        response_metadata: ResponseMetadata | None,
    ) -> AsyncIterator[Response]:
        data = _framed(method, request)
        context = _context(method, timeout_s, metadata, response_metadata)
        async with self._surrounded(context):
            pauses, answered = self._channel.retry.pauses(), False
            while True:
                try:
                    with closing(await self._call(method, context)) as call:
                        await call.send(data, end=True)
                        while (response := await call.receive()) is not None:
                            answered = True
                            yield response
                        return
                except RpcError as error:
                    await self._pause(error, method, context, None if answered else next(pauses, None))

    async def _stream_unary(
        self,
        method: Method[Request, Response],
        requests: Requests[Request],
        timeout_s: float | None,
        metadata: Metadata | None,
        response_metadata: ResponseMetadata | None,
    ) -> Response:
        context = _context(method, timeout_s, metadata, response_metadata)
        async with self._surrounded(context):
            with closing(await self._call(method, context)) as call:
                async with _sending(call, method, requests):
                    return await _only(call)

    async def _stream_stream(
        self,
        method: Method[Request, Response],
        requests: Requests[Request],
        timeout_s: float | None,
        metadata: Metadata | None,
        response_metadata: ResponseMetadata | None,
    ) -> AsyncIterator[Response]:
        context = _context(method, timeout_s, metadata, response_metadata)
        async with self._surrounded(context):
            with closing(await self._call(method, context)) as call:
                async with _sending(call, method, requests):
                    while (response := await call.receive()) is not None:
                        yield response

    def _surrounded(self, context: RequestContext) -> AbstractAsyncContextManager[None]:
        return surrounding(self._channel.interceptors, context)

    async def _call(self, method: Method[Request, Response], context: RequestContext) -> ClientCall[Request, Response]:
        """A call on a connection that is there, or that is opened in the call's own time."""
        channel, link = self._channel, self._channel.ready()
        if link is None:
            link = await self._link(method.route, context.deadline)
        context.peer = link.peer
        block = channel.block(method.route)
        return ClientCall(link.http2, method, context, block=block, most=channel.max_message_bytes)

    async def _link(self, route: str, deadline: Deadline | None) -> Link:
        try:
            async with asyncio.timeout_at(None if deadline is None else deadline.at_s):
                return await self._channel.link()
        except TimeoutError:
            raise too_late(route) from None

    async def _pause(
        self, error: RpcError, method: Method[Request, Response], context: RequestContext, pause_s: float | None
    ) -> None:
        """Wait before another attempt, or let the error be the end."""
        remaining_s = context.remaining_s
        if (
            pause_s is None
            or not self._channel.retry.covers(error, idempotent=method.idempotent)
            or (remaining_s is not None and remaining_s <= pause_s)
        ):
            raise error
        await asyncio.sleep(pause_s)
        context.response_metadata.initial.clear()
        context.response_metadata.trailing.clear()


def _context(
    method: Method[Request, Response],
    timeout_s: float | None,
    metadata: Metadata | None,
    response_metadata: ResponseMetadata | None,
) -> RequestContext:
    return RequestContext(
        route=method.route,
        metadata=MultiDict(metadata or ()),
        response_metadata=response_metadata or ResponseMetadata(),
        deadline=inherited(timeout_s),
    )


def _framed(method: Method[Request, Response], request: Request) -> bytes:
    try:
        return framed(request, method.request)
    except EncodeError as error:
        raise RpcError(StatusCode.INVALID_ARGUMENT, f"the request cannot be written: {error}") from None


async def _only(call: ClientCall[Request, Response]) -> Response:
    response = await call.receive()
    if response is None:
        raise RpcError(StatusCode.INTERNAL, "the server ended the call without an answer")
    if await call.receive() is not None:
        raise RpcError(StatusCode.INTERNAL, "the server answered more than once")
    return response


@asynccontextmanager
async def _sending(
    call: ClientCall[Request, Response], method: Method[Request, Response], requests: Requests[Request]
) -> AsyncIterator[None]:
    sending = asyncio.create_task(_send_all(call, method, requests))
    try:
        yield
    finally:
        sending.cancel()
        await asyncio.wait([sending])


async def _send_all(
    call: ClientCall[Request, Response], method: Method[Request, Response], requests: Requests[Request]
) -> None:
    try:
        async with aclosing(each_of(requests)) as each:
            async for request in each:
                await call.send(_framed(method, request))
        await call.end()
    except Exception as error:  # whatever keeps the requests from coming ends the call, for the one who waits
        call.fail(error)
