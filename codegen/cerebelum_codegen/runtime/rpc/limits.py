"""How much a peer may take: of memory, of connections, of time."""

from __future__ import annotations

from dataclasses import dataclass

from cerebelum_codegen.runtime.rpc.framing import MAX_MESSAGE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Keepalive:
    """Asks a peer that is silent whether it is still there, and drops the connection when it is not."""

    after_s: float = 60.0
    """How long a silence may last before it is asked. Servers of others dislike less than 300."""
    timeout_s: float = 20.0
    """How long its answer may take."""
    without_calls: bool = False
    """Whether to ask also while no call is under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a server grants to whoever connects."""

    max_message_bytes: int = MAX_MESSAGE_BYTES
    """A larger request is refused before it is gathered."""
    max_header_bytes: int = 64 * 1024
    """A connection that sends a larger list of headers is closed."""
    max_streams: int = 100
    """Calls under way on one connection. Clients wait for a free place; one that does not is told REFUSED_STREAM."""
    max_connections: int = 10_000
    """Further ones are closed as they come."""
    handshake_s: float = 10.0
    """How long a connection may take until it speaks HTTP/2, TLS included."""
    request_s: float = 60.0
    """How long a request that is one message may take to arrive, and an answer that is one to be taken."""
    idle_s: float = 600.0
    """How long a connection without calls stays open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What one connection is held to, of either side."""

    max_streams: int
    max_header_bytes: int
    handshake_s: float
    idle_s: float | None
    keepalive: Keepalive | None
