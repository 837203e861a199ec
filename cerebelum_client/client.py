"""A thin, typed, asynchronous client of one Core: the generated stubs with retries and one kind of error."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import TracebackType
from typing import Self

from cerebelum_client.address import core_address, core_tls
from cerebelum_client.backoff import Backoff
from cerebelum_client.calls import Calls
from cerebelum_client.core import Core, Stubs
from cerebelum_client.errors import AddressError
from cerebelum_codegen.runtime.rpc import Channel, Keepalive

CALL_S = 10.0
"""How long one call may take."""
RETRY_S = 10.0
"""How long a safe call is tried again while the Core does not answer."""
MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""The largest answer that is read. A Core is trusted with more than it takes in one message: results that it took one
by one are told together, to whoever waits for them and to the step that takes them.
"""


class CerebelumClient(Core):
    """Talks to a Core over one connection, which opens with the first call and again after it was lost.

    A caller with hundreds of calls at once spreads them over several: HTTP/2 in Python looks at every open call of a
    connection when one more begins.

    Calls that are safe to repeat are repeated with growing pauses while the Core does not answer. Every failure is
    a `ClientError`.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        call_s: float = CALL_S,
        retry_s: float = RETRY_S,
        backoff: Backoff | None = None,
        max_message_bytes: int = MAX_ANSWER_BYTES,
        tls_ca: str | None = None,
        connections: int = 1,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Prepare a client; nothing is opened yet. `address` defaults to CEREBELUM_URL, then to localhost:50051.

        `max_message_bytes` is how large an answer may be. A worker needs room for the largest task that a Core hands
        out, some 16 MiB.

        `tls_ca` is a file of certificates to check the Core's by, or `system`; it defaults to CEREBELUM_TLS_CA, and
        without either the connection is plain text.

        Raises:
            AddressError: the address is no HOST:PORT, or the certificates cannot be read.
        """
        self.address = core_address(address)
        self._channel = Channel(
            self.address.host,
            self.address.port,
            max_message_bytes=max_message_bytes,
            keepalive=Keepalive(after_s=30.0, timeout_s=10.0),
            connections=connections,
            tls=core_tls(tls_ca),
        )
        calls = Calls(
            address=str(self.address),
            call_s=call_s,
            retry_s=retry_s,
            backoff=backoff or Backoff(),
            chance=chance,
        )
        super().__init__(Stubs.over(self._channel), calls)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()


def connected(core: Core | str | None) -> tuple[Core, Callable[[], None]]:
    """A Core that is at hand, or a client of the one at an address; and what closes it, if it was made here.

    Raises:
        AddressError: it is neither, or the address is none.
    """
    if core is None or isinstance(core, str):
        client = CerebelumClient(core)
        return client, client.close
    if not hasattr(core, "executions"):
        raise AddressError(f"{core!r} is no Core: give a client, or an address as in 'localhost:50051'")
    return core, lambda: None


class Connected:
    """Base of what works over a Core that is at hand, or over a connection of its own, which it closes."""

    def __init__(self, core: Core | str | None = None) -> None:
        """`core` is a client or an address, by default CEREBELUM_URL, then localhost:50051. Nothing is opened yet."""
        self._core, self._close = connected(core)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, if it was made here."""
        self._close()
