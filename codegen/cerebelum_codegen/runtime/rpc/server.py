"""A server: listens, holds its peers to its limits, and can stop without cutting anybody off."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Sequence

from cerebelum_codegen.runtime.http2.codes import ErrorCode
from cerebelum_codegen.runtime.http2.fields import Fields
from cerebelum_codegen.runtime.http2.stream import Stream
from cerebelum_codegen.runtime.rpc import headers as h
from cerebelum_codegen.runtime.rpc.connection import Link
from cerebelum_codegen.runtime.rpc.context import Interceptor
from cerebelum_codegen.runtime.rpc.errors import CallerGone, StatusCode
from cerebelum_codegen.runtime.rpc.incoming import Incoming
from cerebelum_codegen.runtime.rpc.limits import Keepalive, Limits, Terms
from cerebelum_codegen.runtime.rpc.service import Service
from cerebelum_codegen.runtime.rpc.serving import refuse

_log = logging.getLogger(__name__)


class Server:
    """Serves services on a socket."""

    def __init__(
        self,
        services: Sequence[Service],
        *,
        limits: Limits | None = None,
        keepalive: Keepalive | None = None,
        interceptors: Sequence[Interceptor] = (),
    ) -> None:
        """Prepare a server; it does not listen yet.

        Args:
            services: what it serves; no two of them may have a route in common.
            limits: what a peer may take; by default `Limits()`.
            keepalive: how it finds out that a silent peer is gone; by default `Keepalive()`.
            interceptors: what surrounds each call, the first outermost.
        """
        self._limits = limits or Limits()
        self._interceptors = tuple(interceptors)
        self._handlers = {each.route: each for service in services for each in service.__handlers__()}
        self._terms = Terms(
            max_streams=self._limits.max_streams,
            max_header_bytes=self._limits.max_header_bytes,
            handshake_s=self._limits.handshake_s,
            idle_s=self._limits.idle_s,
            keepalive=keepalive or Keepalive(),
        )
        self._links: set[Link] = set()
        self._calls: dict[asyncio.Task[None], Incoming] = {}
        self._listening: asyncio.Server | None = None
        self._refusal = ""

    async def start(
        self,
        host: str | None = None,
        port: int = 0,
        *,
        sock: socket.socket | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Listen at an address, or on a socket that listens already; port 0 takes a free one.

        Raises:
            OSError: the address cannot be had.
        """
        loop = asyncio.get_running_loop()
        patience_s = None if tls is None else self._limits.handshake_s
        if sock is None:
            self._listening = await loop.create_server(
                self._protocol, host, port, backlog=1024, ssl=tls, ssl_handshake_timeout=patience_s
            )
        else:
            self._listening = await loop.create_server(
                self._protocol, sock=sock, backlog=1024, ssl=tls, ssl_handshake_timeout=patience_s
            )

    @property
    def port(self) -> int:
        """The port that it listens on."""
        assert self._listening is not None, "start the server first"
        port: int = self._listening.sockets[0].getsockname()[1]
        return port

    # -- stopping ----------------------------------------------------------------------------

    def refuse(self, reason: str) -> None:
        """Accept no further connection, tell the open ones to go elsewhere, answer further calls with UNAVAILABLE."""
        self._refusal = reason
        if self._listening is not None:
            self._listening.close()
        for link in list(self._links):
            link.leave()

    async def finish(self, timeout_s: float) -> None:
        """Return when no call is under way, or when the time is over."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=timeout_s)
        if self._calls:
            _log.warning("%d calls did not end within %g s", len(self._calls), timeout_s)

    def close(self) -> None:
        """Stop at once: calls under way are cancelled, connections are closed."""
        self._refusal = self._refusal or "the server stopped"
        if self._listening is not None:
            self._listening.close()
            # A connection that is being accepted just now is not among them yet.
            self._listening.get_loop().call_soon(self._close_links)
        self._close_links()

    def _close_links(self) -> None:
        for link in list(self._links):
            link.close("the server stopped")

    async def wait_closed(self) -> None:
        """Return when every call has ended."""
        while self._calls:
            await asyncio.wait(self._calls)

    # -- serving -----------------------------------------------------------------------------

    def _protocol(self) -> asyncio.Protocol:
        if self._refusal or len(self._links) >= self._limits.max_connections:
            return _Turned()
        return Link(self, self._terms, client=False, among=self._links)

    def called(self, link: Link, stream: Stream) -> Incoming:
        """Serve a call in a task of its own."""
        fields = stream.first or Fields(())
        incoming = Incoming(link.http2, stream, fields, link.peer)
        task = incoming.task = asyncio.get_running_loop().create_task(self._serve(incoming))
        self._calls[task] = incoming
        task.add_done_callback(self._ended)
        return incoming

    def _ended(self, task: asyncio.Task[None]) -> None:
        incoming = self._calls.pop(task)
        incoming.task = None
        incoming.release(ErrorCode.INTERNAL_ERROR)
        if incoming.fault is not None:
            # It holds all frames that it went through, with what was being sent in them, and they hold the call.
            incoming.fault.__traceback__ = None

    async def _serve(self, incoming: Incoming) -> None:
        found = incoming.fields.found
        route = found.get(":path", "")
        try:
            handler = self._handlers.get(route)
            if found.get(":method") != "POST":
                refuse(incoming, "405", StatusCode.UNKNOWN, "a call is a POST")
            elif not h.is_grpc(found.get("content-type", "")):
                refuse(incoming, "415", StatusCode.UNKNOWN, f"the content-type of a call is {h.CONTENT_TYPE}")
            elif self._refusal:
                refuse(incoming, "200", StatusCode.UNAVAILABLE, self._refusal)
            elif handler is None:
                refuse(incoming, "200", StatusCode.UNIMPLEMENTED, f"there is no method {route[:200]} here")
            else:
                await handler.serve(incoming, self._interceptors, self._limits)
        except CallerGone as gone:
            _log.debug("a caller is gone before its answer: %s", gone)
        except Exception:
            _log.exception("%s could not be answered, by a fault of the server", route)


class _Turned(asyncio.Protocol):
    """A connection for which there is no room."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it."""
        transport.close()
