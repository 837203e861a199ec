"""What generated server bases are made of."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from grpclib.const import Cardinality, Handler
from grpclib.exceptions import GRPCError
from grpclib.server import Server as _Server
from grpclib.server import Stream

from cerebelum_codegen.runtime.errors import DecodeError
from cerebelum_codegen.runtime.message import Message
from cerebelum_codegen.runtime.rpc.codec import MAX_MESSAGE_BYTES, MessageCodec, limit_messages
from cerebelum_codegen.runtime.rpc.errors import RpcError, StatusCode

_log = logging.getLogger(__name__)
_Request = TypeVar("_Request", bound=Message)
_Response = TypeVar("_Response", bound=Message)


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What a call brings beside its request."""

    remaining_s: float | None = None
    """Seconds until the caller gives up; None when it waits as long as it takes."""
    metadata: Mapping[str, str | bytes] | None = None
    peer: str = ""
    """The caller's address."""


class Service(ABC):
    """Base of generated servers: register an instance with `Server`."""

    max_message_bytes: int = MAX_MESSAGE_BYTES
    """The largest request that is read."""

    @abstractmethod
    def __mapping__(self) -> Mapping[str, Handler]:
        """The routes of this service."""

    def _unary_unary(
        self,
        method: Callable[[_Request, RequestContext], Awaitable[_Response]],
        request_type: type[_Request],
        response_type: type[_Response],
    ) -> Handler:
        async def handle(stream: Stream[_Request, _Response]) -> None:
            with self._translated(stream):
                await stream.send_message(await method(await _request(stream), _context(stream)))

        return Handler(handle, Cardinality.UNARY_UNARY, request_type, response_type)

    def _unary_stream(
        self,
        method: Callable[[_Request, RequestContext], AsyncIterator[_Response]],
        request_type: type[_Request],
        response_type: type[_Response],
    ) -> Handler:
        async def handle(stream: Stream[_Request, _Response]) -> None:
            with self._translated(stream):
                await _send_all(stream, method(await _request(stream), _context(stream)))

        return Handler(handle, Cardinality.UNARY_STREAM, request_type, response_type)

    def _stream_unary(
        self,
        method: Callable[[AsyncIterator[_Request], RequestContext], Awaitable[_Response]],
        request_type: type[_Request],
        response_type: type[_Response],
    ) -> Handler:
        async def handle(stream: Stream[_Request, _Response]) -> None:
            with self._translated(stream):
                await stream.send_message(await method(aiter(stream), _context(stream)))

        return Handler(handle, Cardinality.STREAM_UNARY, request_type, response_type)

    def _stream_stream(
        self,
        method: Callable[[AsyncIterator[_Request], RequestContext], AsyncIterator[_Response]],
        request_type: type[_Request],
        response_type: type[_Response],
    ) -> Handler:
        async def handle(stream: Stream[_Request, _Response]) -> None:
            with self._translated(stream):
                await _send_all(stream, method(aiter(stream), _context(stream)))

        return Handler(handle, Cardinality.STREAM_STREAM, request_type, response_type)

    @contextmanager
    def _translated(self, stream: Stream[_Request, _Response]) -> Iterator[None]:
        limit_messages(stream._stream, self.max_message_bytes)
        try:
            yield
        except RpcError as error:
            raise GRPCError(error.code, error.message) from None
        except DecodeError as error:
            raise GRPCError(StatusCode.INVALID_ARGUMENT, f"the request cannot be read: {error}") from None
        except (GRPCError, TimeoutError, ConnectionError):
            raise
        except Exception:
            _log.exception("a call failed by a fault of the server")
            raise GRPCError(StatusCode.INTERNAL, "the server failed; its log tells why") from None


class Server(_Server):
    """Serves services on a socket."""

    def __init__(self, services: list[Service]) -> None:
        super().__init__(services, codec=MessageCodec())


async def _request(stream: Stream[_Request, _Response]) -> _Request:
    request = await stream.recv_message()
    if request is None:
        raise RpcError(StatusCode.INVALID_ARGUMENT, "the call brought no request")
    return request


async def _send_all(stream: Stream[_Request, _Response], responses: AsyncIterator[_Response]) -> None:
    async with aclosing(_closable(responses)) as each:
        async for response in each:
            await stream.send_message(response)


async def _closable(responses: AsyncIterator[_Response]) -> AsyncGenerator[_Response, None]:
    try:
        async for response in responses:
            yield response
    finally:
        close = getattr(responses, "aclose", None)
        if close is not None:
            await close()


def _context(stream: Stream[_Request, _Response]) -> RequestContext:
    address = stream.peer.addr()
    return RequestContext(
        remaining_s=stream.deadline.time_remaining() if stream.deadline else None,
        metadata=dict(stream.metadata or {}),
        peer=f"{address[0]}:{address[1]}" if address else "",
    )
