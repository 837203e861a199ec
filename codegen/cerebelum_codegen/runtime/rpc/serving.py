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

from cerebelum_codegen.runtime.errors import DecodeError
from cerebelum_codegen.runtime.http2.fields import write_fields
from cerebelum_codegen.runtime.rpc import deadline
from cerebelum_codegen.runtime.rpc import headers as h
from cerebelum_codegen.runtime.rpc.context import Interceptor, RequestContext, surrounding
from cerebelum_codegen.runtime.rpc.deadline import Deadline, parse_timeout
from cerebelum_codegen.runtime.rpc.errors import CallerGone, RpcError, StatusCode
from cerebelum_codegen.runtime.rpc.framing import ENCODINGS, framed
from cerebelum_codegen.runtime.rpc.incoming import Incoming
from cerebelum_codegen.runtime.rpc.limits import Limits
from cerebelum_codegen.runtime.rpc.method import Method, Request, Response

_log = logging.getLogger(__name__)


class ServerCall(Generic[Request, Response]):
    """A call that is being served."""

    def __init__(
        self, incoming: Incoming, method: Method[Request, Response], context: RequestContext, limits: Limits
    ) -> None:
        self.context = context
        self._incoming = incoming
        self._method = method
        self._encoding = incoming.fields.found.get("grpc-encoding", "identity")
        self._limits = limits
        self._begun = False
        self._answer: bytes | None = None

    async def request(self) -> Request:
        """The one request of a call that has one.

        Raises:
            RpcError: it did not come, or cannot be read.
        """
        if self._incoming.stream.ended:
            request = await self._receive()
        else:
            request = await self._receive_in_time()
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
            self._incoming.begin(self._first())
            self._begun = True
        await self._incoming.send(data)

    def answer(self, response: Response) -> None:
        """The one response of a call that has one. It goes out with the status."""
        self._answer = framed(response, self._method.response)

    async def end(self, error: RpcError | None) -> None:
        """Answer with the status; nothing follows."""
        last = h.WELL if error is None else write_fields(h.write_status(error.code, error.message, error.details))
        trailing = self.context.response_metadata.trailing
        if trailing:
            last += h.write_metadata(trailing)
        first = b"" if self._begun else self._first()
        if self._answer is None or error is not None:
            self._incoming.end(first + last)
        else:
            remaining_s = self.context.remaining_s
            within_s = self._limits.request_s if remaining_s is None else min(remaining_s, self._limits.request_s)
            await self._incoming.answer(first, self._answer, last, within_s)

    async def _receive_in_time(self) -> Request | None:
        try:
            async with asyncio.timeout(self._limits.request_s):
                return await self._receive()
        except TimeoutError:
            raise RpcError(
                StatusCode.DEADLINE_EXCEEDED, f"the request did not arrive within {self._limits.request_s:g} s"
            ) from None

    async def _receive(self) -> Request | None:
        data = await self._incoming.message(self._encoding, self._limits.max_message_bytes)
        if data is None:
            return None
        try:
            return self._method.request.from_bytes(data)
        except DecodeError as error:
            raise RpcError(StatusCode.INVALID_ARGUMENT, f"the request cannot be read: {error}") from None

    def _first(self) -> bytes:
        initial = self.context.response_metadata.initial
        return h.ANSWER + h.write_metadata(initial) if initial else h.ANSWER


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
        encoding = incoming.fields.found.get("grpc-encoding", "identity")
        if encoding not in ENCODINGS:
            refuse_encoding(incoming, encoding)
            return
        metadata = h.read_metadata(incoming.fields)
        context = RequestContext(route=self.method.route, metadata=metadata, peer=incoming.peer)
        call = ServerCall(incoming, self.method, context, limits)
        await call.end(await self._outcome(call, incoming.fields.found, interceptors))

    async def _outcome(
        self, call: ServerCall[Request, Response], headers: dict[str, str], interceptors: Sequence[Interceptor]
    ) -> RpcError | None:
        context = call.context
        try:
            _take_deadline(context, headers)
            if context.deadline is None:
                await self._surrounded(call, interceptors)
                return None
            return await self._in_time(call, context.deadline, interceptors)
        except RpcError as error:
            return error
        except CallerGone:
            raise
        except Exception:
            _log.exception("%s failed by a fault of the server", self.method.route)
            return RpcError(StatusCode.INTERNAL, "the server failed; its log tells why")

    async def _in_time(
        self, call: ServerCall[Request, Response], until: Deadline, interceptors: Sequence[Interceptor]
    ) -> RpcError | None:
        scope = asyncio.timeout_at(until.at_s)
        try:
            async with scope:
                await self._surrounded(call, interceptors)
        except RpcError:
            raise
        except Exception:
            if not scope.expired():
                raise
            return RpcError(StatusCode.DEADLINE_EXCEEDED, "the caller's time is over")
        return None

    async def _surrounded(self, call: ServerCall[Request, Response], interceptors: Sequence[Interceptor]) -> None:
        if not interceptors:
            await self.answer(call)
            return
        async with surrounding(interceptors, call.context):
            await self.answer(call)


def _take_deadline(context: RequestContext, headers: dict[str, str]) -> None:
    """Take the deadline of a call from its headers."""
    timeout = headers.get("grpc-timeout")
    if timeout is None:
        return
    try:
        context.deadline = Deadline.after(parse_timeout(timeout))
    except ValueError as error:
        raise RpcError(StatusCode.INTERNAL, str(error)) from None
    deadline.current.set(context.deadline)


def refuse(incoming: Incoming, http_status: str, code: StatusCode, message: str, *more: tuple[str, str]) -> None:
    """Answer what is no call of ours."""
    headers = [(":status", http_status), ("content-type", h.CONTENT_TYPE), *h.write_status(code, message), *more]
    incoming.end(write_fields(headers))


def refuse_encoding(incoming: Incoming, encoding: str) -> None:
    """Tell which compressions are read."""
    message = f"messages in '{encoding[:20]}' are not read here: send {' or '.join(ENCODINGS)}"
    refuse(incoming, "200", StatusCode.UNIMPLEMENTED, message, ("grpc-accept-encoding", ",".join(ENCODINGS)))
