"""`core` and `worker`: the processes that stay."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cerebelum_cli.exits import Exit, LoopFactory, UsageError, fail, run_async
from cerebelum_cli.options import Seconds, address_option, store_option
from cerebelum_cli.output import say
from cerebelum_cli.printable import PrintableFormatter
from cerebelum_client import parse_address

if TYPE_CHECKING:
    from cerebelum import Workflow

_LONELY_S = 1.0
"""A worker that has found no Core by then says so; it goes on looking."""
_START_ONE = "start one with `cerebelum core`, or set CEREBELUM_URL to where it is"
_log = logging.getLogger("cerebelum.worker")


@click.command()
@store_option
@click.option(
    "--listen", metavar="HOST:PORT", default="127.0.0.1:50051", show_default=True, help="Port 0 takes a free one."
)
@click.option(
    "--lease",
    "lease_s",
    metavar="SECONDS",
    type=Seconds(0.1, 86_400),
    default=30.0,
    show_default=True,
    help="How long a worker may be silent before its steps go to another.",
)
@click.option(
    "--tls-cert",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Its certificate chain in PEM; clients set CEREBELUM_TLS_CA.",
)
@click.option("--tls-key", metavar="FILE", type=click.Path(path_type=Path), help="The key that goes with --tls-cert.")
@click.option("--verbose", "-v", is_flag=True, help="Log more.")
def core(
    store_url: str, listen: str, lease_s: float, tls_cert: Path | None, tls_key: Path | None, verbose: bool
) -> None:
    """Start a Core: it keeps every execution and hands steps to workers.

    Everything that it has acknowledged is on disk. It stops cleanly on Ctrl-C or SIGTERM, and goes on where it was
    when it is started again, also after kill -9.
    """
    _log_to_stderr(verbose)
    if (tls_cert is None) != (tls_key is None):
        raise UsageError("--tls-cert and --tls-key go together: give both, or neither")
    collect_seldom()
    hand_over_soon()
    run_async(_serve(store_url, listen, lease_s, tls_cert, tls_key), _fast_loop())


async def _serve(store_url: str, listen: str, lease_s: float, tls_cert: Path | None, tls_key: Path | None) -> None:
    address = parse_address(listen)
    try:
        from cerebelum_core.edges.worker_edge import LeaseTerms
        from cerebelum_core.errors import OwnershipLost, StartError
        from cerebelum_core.server import ServerConfig, Tls, serve
        from cerebelum_core.store import shown
    except ImportError as error:
        raise UsageError(f"the Core is not installed ({error}): pip install 'cerebelum[core]'") from None
    config = ServerConfig(
        store_url=store_url,
        host=address.host,
        port=address.port,
        terms=LeaseTerms(ours_s=lease_s, foreign_s=max(lease_s * 10, 300.0)),
        tls=Tls(certificate=tls_cert, key=tls_key) if tls_cert is not None and tls_key is not None else None,
    )
    try:
        name = f"cerebelum {version('cerebelum')}"
        await serve(config, lambda at: say(f"{name} listening on {at}, store {shown(store_url)}"))
    except (StartError, OwnershipLost) as error:
        fail(str(error), Exit.UNUSABLE)
    click.echo("stopped")


@click.command()
@click.argument("modules", metavar="MODULE...", nargs=-1, required=True)
@address_option
@click.option(
    "--concurrency",
    metavar="N",
    type=click.IntRange(min=1, max=10_000),
    default=10,
    show_default=True,
    help="How many steps run at once.",
)
@click.option(
    "--queue",
    "queues",
    metavar="NAME",
    multiple=True,
    help="Take the steps of this queue; may be given several times.  [default: default]",
)
@click.option("--verbose", "-v", is_flag=True, help="Log more.")
def worker(modules: tuple[str, ...], core_url: str, concurrency: int, queues: tuple[str, ...], verbose: bool) -> None:
    """Run the steps of the workflows in MODULE.

    MODULE is named as Python imports it from here (shop.orders), or MODULE:WORKFLOW for one of its workflows. The
    worker waits for a Core that is not there yet, and keeps its results while a Core is away. On Ctrl-C or SIGTERM it
    finishes the steps that run; a second Ctrl-C leaves them to others.
    """
    _log_to_stderr(verbose)
    collect_seldom()
    from cerebelum_cli.loading import load_workflows

    workflows = [each for name in modules for each in load_workflows(name)]
    run_async(_work(workflows, core_url, concurrency, queues), _fast_loop())


async def _work(workflows: Sequence[Workflow], core_url: str, concurrency: int, queues: tuple[str, ...]) -> None:
    from cerebelum import Worker

    running = Worker(core_url, workflows=workflows, queues=queues, concurrency=concurrency)
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, running.stop)
    lonely = loop.call_later(_LONELY_S, _log.warning, "no Core answers at %s yet: %s", core_url, _START_ONE)
    names = ", ".join(sorted({each.name for each in workflows}))
    where = f" in {', '.join(running.queues)}" if queues else ""

    def ready() -> None:
        lonely.cancel()
        say(f"worker {running.worker_id} polling {core_url} for {names}{where}")

    await running.run(ready)
    click.echo("stopped")


def _log_to_stderr(verbose: bool) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(PrintableFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler])
    for noisy in ("hpack", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.INFO)


def collect_seldom() -> None:
    """Look for cycles less often: what is in flight is no garbage, and to look it through takes a quarter of a Core."""
    gc.set_threshold(100_000, 50, 50)


def hand_over_soon() -> None:
    """Python lets a thread wait 5 ms for another that is busy: the store's thread, and whoever waits for the disk with
    it.
    """
    sys.setswitchinterval(0.0001)


def _fast_loop() -> LoopFactory | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
