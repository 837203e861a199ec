"""How calls are carried out: what is safe to repeat is repeated while the Core does not answer, and nothing else is."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TypeVar

from cerebelum_client.backoff import Backoff
from cerebelum_client.errors import ClientError, CoreUnavailable, client_error
from cerebelum_codegen.runtime.rpc import RpcError
from cerebelum_codegen.runtime.rpc.iterating import each_of

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Carries out calls of one Core. Every failure is a `ClientError`."""

    address: str
    """Who is called, for errors."""
    call_s: float
    """How long one call may take."""
    retry_s: float
    """How long a safe call is tried again while the Core does not answer."""
    backoff: Backoff = field(default_factory=Backoff)
    chance: Callable[[], float] = random.random

    async def once(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """The answer to a call that is made once."""
        try:
            return await call()
        except RpcError as error:
            raise client_error(error, self.address) from None
        except ValueError as error:
            raise ClientError(str(error)) from None

    async def safe(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """The answer to a call that may be made twice."""
        since = time.monotonic()
        for pause_s in self.pauses():
            try:
                return await call()
            except RpcError as error:
                await self.pause_or_raise(error, pause_s, since)
            except ValueError as error:
                raise ClientError(str(error)) from None
        raise AssertionError("pauses never end")

    async def each(self, frames: AsyncIterator[_T]) -> AsyncGenerator[_T, None]:
        """What comes over a stream, which is made once and closed with this."""
        try:
            async with aclosing(each_of(frames)) as each:
                async for frame in each:
                    yield frame
        except RpcError as error:
            raise client_error(error, self.address) from None
        except ValueError as error:
            raise ClientError(str(error)) from None

    def pauses(self) -> Iterator[float]:
        """The pauses between tries, in seconds."""
        return self.backoff.pauses(self.chance)

    async def pause_or_raise(self, error: RpcError, pause_s: float, since: float) -> None:
        """Wait before another try, if nobody answered and there is time; `since` is when the first was made."""
        failure = client_error(error, self.address)
        if not isinstance(failure, CoreUnavailable) or time.monotonic() - since + pause_s > self.retry_s:
            raise failure from None
        await asyncio.sleep(pause_s)
