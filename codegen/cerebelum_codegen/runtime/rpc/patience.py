"""How long a connection is waited for: until it speaks, while it does nothing, when it may be dead."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cerebelum_codegen.runtime.rpc.limits import Terms

if TYPE_CHECKING:
    from cerebelum_codegen.runtime.rpc.connection import Link

_NEVER = float("inf")


class Patience:
    """Looks at one connection when something is due, and ends it when its time is over."""

    def __init__(self, link: Link, terms: Terms, now: float) -> None:
        self._link = link
        self._terms = terms
        self._made_at = self.heard_at = self.idle_since = now
        self.begun = False
        """Whether it speaks HTTP/2."""
        self._pinged_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def heard(self, now: float) -> None:
        """It is alive."""
        self.heard_at, self._pinged_at = now, None

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def watch(self) -> None:
        """Do what is due, and look again when something else is."""
        now = asyncio.get_running_loop().time()
        self._again(min(self._due_begin(now), self._due_idle(now), self._due_keepalive(now)))

    def _again(self, due: float) -> None:
        if not self._link.closing and not self._link.retired and due < _NEVER:
            self._timer = asyncio.get_running_loop().call_at(due, self.watch)

    def _due_begin(self, now: float) -> float:
        if self.begun:
            return _NEVER
        due = self._made_at + self._terms.handshake_s
        if now >= due:
            self._link.abort(f"it did not speak HTTP/2 within {self._terms.handshake_s:g} s")
        return due

    def _due_idle(self, now: float) -> float:
        if self._terms.idle_s is None:
            return _NEVER
        since = now if self._link.calls else self.idle_since
        if now >= since + self._terms.idle_s:
            self._link.retire()
        return since + self._terms.idle_s

    def _due_keepalive(self, now: float) -> float:
        keepalive, link = self._terms.keepalive, self._link
        if keepalive is None or link.closing:
            return _NEVER
        if self._pinged_at is not None:
            if now >= self._pinged_at + keepalive.timeout_s:
                link.abort("the peer is no longer there")
            return self._pinged_at + keepalive.timeout_s
        if not keepalive.without_calls and not link.calls:
            return now + keepalive.after_s
        if now >= self.heard_at + keepalive.after_s:
            self._pinged_at = now
            link.http2.ping(bytes(8))
            return now + min(keepalive.timeout_s, keepalive.after_s)
        return self.heard_at + keepalive.after_s
