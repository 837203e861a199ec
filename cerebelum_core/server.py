"""One Core on a socket: listens, serves until it is told to stop, and leaves nothing half done."""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from cerebelum_codegen.runtime.rpc import Limits, Server, Service, TlsError, server_tls
from cerebelum_codegen.runtime.rpc.health import Health
from cerebelum_codegen.runtime.rpc.reflection import reflection
from cerebelum_core.clock import SystemClock
from cerebelum_core.edges.worker_edge import LeaseTerms
from cerebelum_core.errors import ListenError, OwnershipLost
from cerebelum_core.ids import uuid7
from cerebelum_core.node import Node, NodeConfig
from cerebelum_core.store import open_store

DRAIN_S = 10.0
"""How long calls that are under way may take when the Core stops."""

LIMITS = Limits(max_streams=1_000, max_connections=20_000)
"""Each caller who waits for an execution's end is a call that stays, so there may be many on one connection. Deployed
workers have a connection each.
"""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """What a person tells a Core."""

    store_url: str
    host: str = "127.0.0.1"
    port: int = 50051
    """0 takes a free one."""
    terms: LeaseTerms = field(default_factory=LeaseTerms)
    tls: Tls | None = None
    """Plain text without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """The files of a Core's identity, in PEM."""

    certificate: Path
    key: Path


def core_server(node: Node, limits: Limits = LIMITS) -> tuple[Server, Health]:
    """What serves a node: its edges, and what tools ask of any gRPC server. It does not listen yet."""
    edges: list[Service] = [node.worker_edge, node.stream_edge, node.control_edge, node.lifecycle_edge]
    health = Health(edges)
    services = [*edges, health]
    return Server([*services, *reflection(services)], limits=limits), health


def open_node(store_url: str, terms: LeaseTerms | None = None, *, apart: bool = False) -> Node:
    """A Core on a store, by the machine's clock and randomness. Not started yet. `apart`: see `open_store`.

    Raises:
        StartError: the store cannot be had.
    """
    clock = SystemClock()
    node_id = uuid7(clock, secrets.token_bytes)
    config = NodeConfig(node_id=node_id, version=version("cerebelum"), terms=terms or LeaseTerms())
    store = open_store(store_url, node_id=node_id, clock=clock, apart=apart)
    return Node(config, store=store, clock=clock, random_bytes=secrets.token_bytes)


async def serve(config: ServerConfig, on_listening: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT. `on_listening` is told the address once calls are answered.

    Raises:
        StartError: the store or the address cannot be had.
        OwnershipLost: another Core took the store over; this one has stopped.
    """
    tls = None if config.tls is None else _tls(config.tls)
    listening = _listen(config.host, config.port)
    with listening:
        node = open_node(config.store_url, config.terms, apart=True)
        server, health = core_server(node)
        stop = _stop_signal()
        await node.start()
        await server.start(sock=listening, tls=tls)
        host, port = listening.getsockname()[:2]
        on_listening(f"{host}:{port}")
        superseded = await _end(stop, node)
        _log.info("stopping")
        health.stop()
        await _shut_down(server, node)
    if superseded:
        raise OwnershipLost(
            "another Core took the store over, which this one had not renewed in time; this one has stopped and wrote "
            "nothing since: let one Core at a time use the store"
        )
    _log.info("stopped; nothing is lost")


async def _end(stop: asyncio.Event, node: Node) -> bool:
    """Wait for a signal, or for another Core to take the store. Whether it was the latter."""
    stopping, superseded = asyncio.ensure_future(stop.wait()), asyncio.ensure_future(node.store.superseded())
    await asyncio.wait([stopping, superseded], return_when=asyncio.FIRST_COMPLETED)
    lost = superseded.done()
    for each in (stopping, superseded):
        each.cancel()
    return lost


async def _shut_down(server: Server, node: Node) -> None:
    server.refuse("the Core is stopping")
    await node.drain()
    await server.finish(DRAIN_S)
    server.close()
    await server.wait_closed()
    await node.stop()


def _tls(files: Tls) -> ssl.SSLContext:
    try:
        return server_tls(files.certificate, files.key)
    except TlsError as error:
        raise ListenError(f"{error}: check --tls-cert and --tls-key") from None


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError) as error:
        # `socket.create_server` puts the address into the reason once more, in brackets.
        reason = str((isinstance(error, OSError) and error.strerror) or error).partition(" (")[0]
        raise ListenError(f"cannot listen on {host}:{port}: {reason}; choose another with --listen HOST:PORT") from None


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    return stop
