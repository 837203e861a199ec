"""Between the two ways to hear what became of a write: to wait for it, and to be called back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial

from cerebelum_core.errors import StoreUnavailable
from cerebelum_core.store.records import Done, Outcome


def settle(waiting: asyncio.Future[None], outcome: Outcome) -> None:
    """Tell whoever waits for a future."""
    if waiting.done():
        return
    if outcome is None:
        waiting.set_result(None)
    else:
        waiting.set_exception(outcome)
        waiting.exception()  # a caller that has gone away leaves nobody to look at it


def call_back(writing: Awaitable[None], done: Done) -> None:
    """Let a write happen, and call back."""
    asyncio.ensure_future(writing).add_done_callback(partial(_tell, done))


def _tell(done: Done, writing: asyncio.Future[None]) -> None:
    if writing.cancelled():
        done(StoreUnavailable("the store was closed while it wrote"))
        return
    error = writing.exception()
    done(error if error is None or isinstance(error, Exception) else StoreUnavailable(str(error)))
