"""What a call has beside its messages, and who may look at it on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TypeAlias

from multidict import MultiDict

from cerebelum_codegen.runtime.rpc.deadline import Deadline

Metadata: TypeAlias = Mapping[str, str | bytes]
"""Lower-case names with their values. A name that ends in `-bin` has bytes, any other printable ASCII text.

A name may have several values: pass a `multidict.MultiDict`, and ask what was received with `getall`.
"""


@dataclass(slots=True, kw_only=True)
class ResponseMetadata:
    """What a server answers beside its messages. Give one to a call to have it filled."""

    initial: MultiDict[str | bytes] = field(default_factory=MultiDict)
    """Sent before the first message."""
    trailing: MultiDict[str | bytes] = field(default_factory=MultiDict)
    """Sent with the status."""


@dataclass(slots=True, kw_only=True)
class RequestContext:
    """One call, as its server method and the interceptors of both sides see it."""

    route: str = ""
    """`/package.Service/Name`."""
    metadata: MultiDict[str | bytes] = field(default_factory=MultiDict)
    """What the caller sends. An interceptor of the client may add to it."""
    response_metadata: ResponseMetadata = field(default_factory=ResponseMetadata)
    """What the server answers with. Its method and its interceptors fill it."""
    deadline: Deadline | None = None
    peer: str = ""
    """The other side's address; empty before there is a connection."""

    @property
    def remaining_s(self) -> float | None:
        """Seconds until the caller gives up; None when it waits as long as it takes."""
        return None if self.deadline is None else self.deadline.remaining_s()


Interceptor: TypeAlias = Callable[[RequestContext], AbstractAsyncContextManager[None]]
"""Surrounds each call of a channel or a server, of whatever cardinality.

    @asynccontextmanager
    async def authorized(context: RequestContext) -> AsyncIterator[None]:
        if context.metadata.get("authorization") != secret:
            raise RpcError(StatusCode.UNAUTHENTICATED, "who are you?")
        yield

Before its `yield` nothing has been sent or served; an error of the call is raised out of it.
"""


def surrounding(interceptors: Sequence[Interceptor], context: RequestContext) -> AbstractAsyncContextManager[None]:
    """All of them around one call, the first outermost."""
    return _all_around(interceptors, context) if interceptors else nullcontext()


@asynccontextmanager
async def _all_around(interceptors: Sequence[Interceptor], context: RequestContext) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for interceptor in interceptors:
            await stack.enter_async_context(interceptor(context))
        yield
