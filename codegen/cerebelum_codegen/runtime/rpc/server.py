"""What generated server bases are made of."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
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
    """Serves services on a socket, and can stop without cutting anybody off."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._calls = _Calls()
        super().__init__([_Counted(service, self._calls) for service in services], codec=MessageCodec())

    def refuse(self, reason: str) -> None:
        """Answer every further call with UNAVAILABLE."""
        self._calls.refusal = reason

    async def finish(self, timeout_s: float) -> None:
        """Return when no call is under way, or when the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._calls.none_left()
        except TimeoutError:
            _log.warning("%d calls did not end within %g s", self._calls.running, timeout_s)


class _Calls:
    """How many calls are under way, and whether there may be more."""

    def __init__(self) -> None:
        self.running = 0
        self.refusal = ""
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        if self.refusal:
            raise GRPCError(StatusCode.UNAVAILABLE, self.refusal)
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
            if not self.running and self.refusal:
                async with self._changed:
                    self._changed.notify_all()

    async def none_left(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self.running == 0)


class _Counted:
    """A service whose calls are counted."""

    def __init__(self, service: Service, calls: _Calls) -> None:
        self._service = service
        self._calls = calls

    def __mapping__(self) -> dict[str, Handler]:
        return {route: self._counted(handler) for route, handler in self._service.__mapping__().items()}

    def _counted(self, handler: Handler) -> Handler:
        async def handle(stream: Stream[Message, Message]) -> None:
            async with self._calls.one():
                await handler.func(stream)

        return Handler(handle, handler.cardinality, handler.request_type, handler.reply_type)


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
