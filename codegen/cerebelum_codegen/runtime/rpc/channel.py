"""The way to one server: connections that open with the first call, and again after they were lost."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from cerebelum_codegen.runtime.http2.fields import write_fields
from cerebelum_codegen.runtime.http2.stream import Stream
from cerebelum_codegen.runtime.rpc import headers as h
from cerebelum_codegen.runtime.rpc.connection import Link
from cerebelum_codegen.runtime.rpc.context import Interceptor
from cerebelum_codegen.runtime.rpc.errors import RpcError, StatusCode
from cerebelum_codegen.runtime.rpc.exchange import Exchange
from cerebelum_codegen.runtime.rpc.framing import MAX_MESSAGE_BYTES
from cerebelum_codegen.runtime.rpc.limits import Keepalive, Terms
from cerebelum_codegen.runtime.rpc.retry import Retry

_USER_AGENT = "cerebelum-python"


class Channel:
    """What stubs call through. Nothing is opened before the first call."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        max_header_bytes: int = 64 * 1024,
        connections: int = 1,
        connect_s: float = 20.0,
        keepalive: Keepalive | None = None,
        retry: Retry | None = None,
        interceptors: Sequence[Interceptor] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Prepare a channel to a server.

        Args:
            max_message_bytes: the largest answer that is read.
            connections: how many are opened at most; each call takes the one with the fewest calls.
            connect_s: how long it may take until a connection speaks HTTP/2.
            keepalive: off unless given, since servers of others take it amiss when it is frequent.
            retry: what is done about calls that may be repeated; by default `Retry()`.
            tls: a context such as `client_tls()` makes; plain text without one.
        """
        self.max_message_bytes = max_message_bytes
        self.interceptors = tuple(interceptors)
        self.retry = Retry() if retry is None else retry
        self._scheme = "http" if tls is None else "https"
        self._authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._blocks: dict[str, bytes] = {}
        terms = Terms(
            max_streams=100,
            max_header_bytes=max_header_bytes,
            handshake_s=connect_s,
            idle_s=None,
            keepalive=keepalive,
        )
        self._slots = [_Slot(host, port, terms, tls) for _ in range(connections)]
        self._closed = False

    def block(self, route: str) -> bytes:
        """The headers with which every call of a method begins."""
        block = self._blocks.get(route)
        if block is None:
            headers = [
                (":method", "POST"),
                (":scheme", self._scheme),
                (":path", route),
                (":authority", self._authority),
            ]
            headers += [("te", "trailers"), ("content-type", h.CONTENT_TYPE), ("user-agent", _USER_AGENT)]
            block = self._blocks[route] = write_fields(headers)
        return block

    def ready(self) -> Link | None:
        """A connection that is open already and takes a call now."""
        link = None if self._closed else min(self._slots, key=_Slot.load).ready()
        return link if link is not None and link.line.vacant else None

    async def link(self) -> Link:
        """A connection that takes a call now.

        Raises:
            RpcError: there is none to be had.
        """
        if self._closed:
            raise RpcError(StatusCode.CANCELLED, "the channel was closed")
        link = await min(self._slots, key=_Slot.load).link()
        await link.line.place()
        return link

    def close(self) -> None:
        """Close its connections; calls that are under way end with UNAVAILABLE."""
        self._closed = True
        for slot in self._slots:
            slot.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Slot:
    """One connection at a time. One that the server wants to end is kept open for the calls that it still carries."""

    def __init__(self, host: str, port: int, terms: Terms, tls: ssl.SSLContext | None) -> None:
        self._address = (host, port)
        self._terms = terms
        self._tls = tls
        self._link: Link | None = None
        self._opening = asyncio.Lock()
        self._living: set[Link] = set()
        self._waiting = 0

    def load(self) -> tuple[int, bool]:
        """How busy it is; of two that are idle, the one that is open comes first."""
        if self._link is None or not self._link.open:
            return (self._waiting, True)
        return (self._link.calls, False)

    def ready(self) -> Link | None:
        return self._link if self._link is not None and self._link.open else None

    async def link(self) -> Link:
        if self._link is not None and self._link.open:
            return self._link
        self._waiting += 1
        try:
            async with self._opening:
                if self._link is None or not self._link.open:
                    self._link = await self._open()
                return self._link
        finally:
            self._waiting -= 1

    async def _open(self) -> Link:
        host, port = self._address
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._terms.handshake_s):
                _, link = await loop.create_connection(self._protocol, host, port, ssl=self._tls)
        except TimeoutError:
            raise RpcError(StatusCode.UNAVAILABLE, f"no connection within {self._terms.handshake_s:g} s") from None
        except (OSError, UnicodeError) as error:
            raise RpcError(StatusCode.UNAVAILABLE, f"no connection ({error})") from error
        return link

    def _protocol(self) -> Link:
        return Link(_Caller(), self._terms, client=True, among=self._living)

    def close(self) -> None:
        for link in list(self._living):
            link.close("the channel was closed")


class _Caller:
    """A client serves nothing."""

    def called(self, link: Link, stream: Stream) -> Exchange | None:
        return None
