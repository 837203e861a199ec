"""`queues`: what waits in each queue, and who serves it."""

from __future__ import annotations

from collections.abc import Sequence

import click

from cerebelum_cli.exits import run_async
from cerebelum_cli.options import RemoteCore, core_option, json_option
from cerebelum_cli.output import print_json, table
from cerebelum_proto.control.v1.control_pb import QueueStanding

_SHOWN = 3


@click.command()
@core_option
@json_option
def queues(core: RemoteCore, as_json: bool) -> None:
    """Show what waits in each queue, and which workers serve it.

    UNSERVED tasks wait in vain: no worker that serves their queue has their code.
    """
    found = run_async(_queues(core))
    if as_json:
        print_json({"queues": [_json(each) for each in found]})
    elif not found:
        click.echo("nothing waits, and nobody works")
    else:
        table([("QUEUE", "WAITING", "UNSERVED", "WORKERS"), *map(_row, found)])


async def _queues(core: RemoteCore) -> Sequence[QueueStanding]:
    async with core.client() as client:
        return await client.queues()


def _row(each: QueueStanding) -> tuple[str, ...]:
    names = ", ".join(each.worker_ids[:_SHOWN]) + (", ..." if len(each.worker_ids) > _SHOWN else "")
    workers = f"{len(each.worker_ids)}: {names}" if names else "none"
    return (each.name, str(each.waiting), str(each.unserved), workers)


def _json(each: QueueStanding) -> dict[str, object]:
    return {
        "queue": each.name,
        "waiting": each.waiting,
        "unserved": each.unserved,
        "workers": list(each.worker_ids),
    }
