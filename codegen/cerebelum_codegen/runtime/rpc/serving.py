"""One call, on the side of the server: from its headers to its status.

Whatever a peer does wrong is answered, or ends the call; only our own faults reach the log.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic

from grpclib.protocol import Stream
from h2.exceptions import ProtocolError

from cerebelum_codegen.runtime.errors import DecodeError
from cerebelum_codegen.runtime.rpc import deadline
from cerebelum_codegen.runtime.rpc import headers as h
from cerebelum_codegen.runtime.rpc.answering import send_answer
from cerebelum_codegen.runtime.rpc.context import Interceptor, RequestContext, surrounding
from cerebelum_codegen.runtime.rpc.deadline import Deadline, parse_timeout
from cerebelum_codegen.runtime.rpc.errors import RpcError, StatusCode
from cerebelum_codegen.runtime.rpc.framing import ENCODINGS, framed, read_message
from cerebelum_codegen.runtime.rpc.limits import Limits
from cerebelum_codegen.runtime.rpc.method import Method, Request, Response

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A call as it arrives."""

    stream: Stream
    headers: h.Headers
    found: dict[str, str]
    """The headers by their names."""
    peer: str


class ServerCall(Generic[Request, Response]):
    """A call that is being served."""

    def __init__(
        self, stream: Stream, method: Method[Request, Response], context: RequestContext, encoding: str, limits: Limits
    ) -> None:
        self.context = context
        self._stream = stream
        self._method = method
        self._encoding = encoding
        self._limits = limits
        self._begun = False
        self._answer: bytes | None = None

    async def request(self) -> Request:
        """The one request of a call that has one.

        Raises:
            RpcError: it did not come, or cannot be read.
        """
        try:
            async with asyncio.timeout(self._limits.request_s):
                request = await self._receive()
        except TimeoutError:
            raise RpcError(
                StatusCode.DEADLINE_EXCEEDED, f"the request did not arrive within {self._limits.request_s:g} s"
            ) from None
        if request is None:
            raise RpcError(StatusCode.INVALID_ARGUMENT, "the call brought no request")
        return request

    async def requests(self) -> AsyncIterator[Request]:
        """The requests of a call that streams them."""
        while (request := await self._receive()) is not None:
            yield request

    async def send(self, response: Response) -> None:
        """Answer with a message."""
        data = framed(response, self._method.response)
        if not self._begun:
            await self._begin()
        await self._stream.send_data(data)

    def answer(self, response: Response) -> None:
        """The one response of a call that has one. It goes out with the status."""
        self._answer = framed(response, self._method.response)

    async def end(self, error: RpcError | None) -> None:
        """Answer with the status; nothing follows."""
        first = [] if self._begun else self._first_headers()
        if error is None:
            last = h.write_status(StatusCode.OK)
        else:
            last = h.write_status(error.code, error.message, error.details)
        last += h.write_metadata(self.context.response_metadata.trailing)
        if self._answer is None or error is not None:
            await self._stream.send_headers(first + last, end_stream=True)
        else:
            await send_answer(self._stream, first, self._answer, last)
        if self._stream.closable:
            self._stream.reset_nowait()  # without an error: it may stop sending what nobody will read

    async def _receive(self) -> Request | None:
        data = await read_message(self._stream, self._encoding, self._limits.max_message_bytes)
        if data is None:
            return None
        try:
            return self._method.request.from_bytes(data)
        except DecodeError as error:
            raise RpcError(StatusCode.INVALID_ARGUMENT, f"the request cannot be read: {error}") from None

    async def _begin(self) -> None:
        self._begun = True
        await self._stream.send_headers(self._first_headers())

    def _first_headers(self) -> h.Headers:
        headers = [(":status", "200"), ("content-type", h.CONTENT_TYPE)]
        return headers + h.write_metadata(self.context.response_metadata.initial)


class Handler(ABC):
    """How a server answers the calls of one route."""

    @property
    @abstractmethod
    def route(self) -> str:
        """The path of its calls."""

    @abstractmethod
    async def serve(self, incoming: Incoming, interceptors: Sequence[Interceptor], limits: Limits) -> None:
        """Answer one call."""


@dataclass(frozen=True, slots=True)
class MethodHandler(Handler, Generic[Request, Response]):
    """A method, and how a server's object answers it."""

    method: Method[Request, Response]
    answer: Callable[[ServerCall[Request, Response]], Awaitable[None]]

    @property
    def route(self) -> str:
        """The path of its calls."""
        return self.method.route

    async def serve(self, incoming: Incoming, interceptors: Sequence[Interceptor], limits: Limits) -> None:
        """Answer one call."""
        found = incoming.found
        metadata = h.read_metadata(incoming.headers)
        context = RequestContext(route=self.method.route, metadata=metadata, peer=incoming.peer)
        call = ServerCall(incoming.stream, self.method, context, found.get("grpc-encoding", "identity"), limits)
        await call.end(await self._outcome(call, found, interceptors))

    async def _outcome(
        self, call: ServerCall[Request, Response], headers: dict[str, str], interceptors: Sequence[Interceptor]
    ) -> RpcError | None:
        scope = asyncio.timeout(None)
        try:
            _admit(call.context, headers)
            async with scope:
                if call.context.deadline is not None:
                    scope.reschedule(call.context.deadline.at_s)
                async with surrounding(interceptors, call.context):
                    await self.answer(call)
        except RpcError as error:
            return error
        except ProtocolError:
            raise
        except Exception:
            if scope.expired():
                return RpcError(StatusCode.DEADLINE_EXCEEDED, "the caller's time is over")
            _log.exception("%s failed by a fault of the server", self.method.route)
            return RpcError(StatusCode.INTERNAL, "the server failed; its log tells why")
        return None


def _admit(context: RequestContext, headers: dict[str, str]) -> None:
    """Take the deadline and the encoding of a call from its headers."""
    encoding = headers.get("grpc-encoding", "identity")
    if encoding not in ENCODINGS:
        context.response_metadata.initial.clear()
        raise RpcError(
            StatusCode.UNIMPLEMENTED, f"messages in '{encoding[:20]}' are not read here: send {' or '.join(ENCODINGS)}"
        )
    timeout = headers.get("grpc-timeout")
    if timeout is None:
        return
    try:
        context.deadline = Deadline.after(parse_timeout(timeout))
    except ValueError as error:
        raise RpcError(StatusCode.INTERNAL, str(error)) from None
    deadline.current.set(context.deadline)


async def refuse(stream: Stream, http_status: str, code: StatusCode, message: str) -> None:
    """Answer what is no call of ours."""
    headers = [(":status", http_status), ("content-type", h.CONTENT_TYPE), *h.write_status(code, message)]
    await stream.send_headers(headers, end_stream=True)
    if stream.closable:
        stream.reset_nowait()
