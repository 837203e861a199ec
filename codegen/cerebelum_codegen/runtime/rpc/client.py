"""What generated stubs are made of: the four kinds of call, and one kind of error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TypeAlias, TypeVar

from grpclib.client import Channel as _Channel
from grpclib.client import Stream
from grpclib.config import Configuration
from grpclib.const import Cardinality
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError

from cerebelum_codegen.runtime.errors import CodecError
from cerebelum_codegen.runtime.message import Message
from cerebelum_codegen.runtime.rpc.codec import MAX_MESSAGE_BYTES, MessageCodec, limit_messages
from cerebelum_codegen.runtime.rpc.errors import RpcError, StatusCode

_Request = TypeVar("_Request", bound=Message)
_Response = TypeVar("_Response", bound=Message)
_Item = TypeVar("_Item")

Requests: TypeAlias = AsyncIterable[_Item] | Iterable[_Item]
"""What a call that streams its requests takes."""


class Channel(_Channel):
    """A connection to one server, opened with the first call and again after it was lost."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        config: Configuration | None = None,
    ) -> None:
        super().__init__(host, port, codec=MessageCodec(), config=config)
        self.max_message_bytes = max_message_bytes


class Stub:
    """Base of generated stubs. Every failure of a call is an `RpcError`."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def _unary_unary(
        self,
        route: str,
        request: _Request,
        request_type: type[_Request],
        response_type: type[_Response],
        timeout_s: float | None,
        metadata: Mapping[str, str] | None,
    ) -> _Response:
        call = self._call(route, Cardinality.UNARY_UNARY, request_type, response_type, timeout_s, metadata)
        async with call as stream:
            await stream.send_message(request, end=True)
            return await self._answer(stream)

    async def _stream_unary(
        self,
        route: str,
        requests: Requests[_Request],
        request_type: type[_Request],
        response_type: type[_Response],
        timeout_s: float | None,
        metadata: Mapping[str, str] | None,
    ) -> _Response:
        call = self._call(route, Cardinality.STREAM_UNARY, request_type, response_type, timeout_s, metadata)
        async with call as stream:
            await _send_all(stream, requests)
            return await self._answer(stream)

    async def _unary_stream(
        self,
        route: str,
        request: _Request,
        request_type: type[_Request],
        response_type: type[_Response],
        timeout_s: float | None,
        metadata: Mapping[str, str] | None,
    ) -> AsyncIterator[_Response]:
        call = self._call(route, Cardinality.UNARY_STREAM, request_type, response_type, timeout_s, metadata)
        async with call as stream:
            await stream.send_message(request, end=True)
            async for response in self._answers(stream):
                yield response

    async def _stream_stream(
        self,
        route: str,
        requests: Requests[_Request],
        request_type: type[_Request],
        response_type: type[_Response],
        timeout_s: float | None,
        metadata: Mapping[str, str] | None,
    ) -> AsyncIterator[_Response]:
        call = self._call(route, Cardinality.STREAM_STREAM, request_type, response_type, timeout_s, metadata)
        async with call as stream:
            await stream.send_request()
            sending = asyncio.ensure_future(_send_all(stream, requests))
            try:
                async for response in self._answers(stream):
                    yield response
            finally:
                sending.cancel()

    @asynccontextmanager
    async def _call(
        self,
        route: str,
        cardinality: Cardinality,
        request_type: type[_Request],
        response_type: type[_Response],
        timeout_s: float | None,
        metadata: Mapping[str, str] | None,
    ) -> AsyncIterator[Stream[_Request, _Response]]:
        with _translated(route):
            request = self._channel.request(
                route, cardinality, request_type, response_type, timeout=timeout_s, metadata=metadata
            )
            async with request as stream:
                yield stream

    async def _answer(self, stream: Stream[_Request, _Response]) -> _Response:
        await self._limit(stream)
        response = await stream.recv_message()
        if response is None:
            await stream.recv_trailing_metadata()
            raise RpcError(StatusCode.INTERNAL, "the server ended the call without an answer")
        return response

    async def _answers(self, stream: Stream[_Request, _Response]) -> AsyncIterator[_Response]:
        await self._limit(stream)
        while (response := await stream.recv_message()) is not None:
            yield response

    async def _limit(self, stream: Stream[_Request, _Response]) -> None:
        await stream.recv_initial_metadata()
        limit_messages(stream._stream, self._channel.max_message_bytes)


async def _send_all(stream: Stream[_Request, _Response], requests: Requests[_Request]) -> None:
    if isinstance(requests, AsyncIterable):
        async for request in requests:
            await stream.send_message(request)
    else:
        for request in requests:
            await stream.send_message(request)
    await stream.end()


@contextmanager
def _translated(route: str) -> Iterator[None]:
    try:
        yield
    except GRPCError as error:
        raise RpcError(error.status, error.message or "no reason given") from None
    except StreamTerminatedError as error:
        raise RpcError(StatusCode.UNAVAILABLE, f"the connection was lost ({error})") from error
    except TimeoutError:
        raise RpcError(StatusCode.DEADLINE_EXCEEDED, f"{route} took longer than allowed") from None
    except OSError as error:
        raise RpcError(StatusCode.UNAVAILABLE, f"no connection ({error})") from error
    except (CodecError, ProtocolError) as error:
        raise RpcError(StatusCode.INTERNAL, f"{route}: {error}") from error
