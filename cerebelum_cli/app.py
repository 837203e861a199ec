"""All commands of `cerebelum`."""

from __future__ import annotations

from importlib.metadata import version

import click

from cerebelum_cli.decisions import approve, cancel, reject
from cerebelum_cli.demo.command import demo
from cerebelum_cli.doctor import doctor
from cerebelum_cli.executions import history, list_, status
from cerebelum_cli.lifecycle import fork, migrate, pause, redrive, resume, retry, terminate
from cerebelum_cli.running import run
from cerebelum_cli.serving import core, worker
from cerebelum_cli.store import store
from cerebelum_cli.why import why

_EPILOG = """\b
First steps:
  cerebelum demo                          see a workflow survive kill -9
  cerebelum core                          start a Core on cerebelum.db
  cerebelum worker shop.orders            run the steps of the workflows in shop/orders.py
  cerebelum run shop.orders:order --input '{"id": 7}'
  cerebelum history EXECUTION             what happened, line by line

\b
Exit codes:
  0 done             3 no Core answers       6 the Core cannot start
  1 it failed        4 not found             130 interrupted
  2 wrong usage      5 refused
"""


class _InOrder(click.Group):
    """Lists its commands in the order in which a newcomer meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_InOrder, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("cerebelum"), prog_name="cerebelum")
def cli() -> None:
    """Durable workflows: they sleep for days, wait for people, and survive kill -9."""


_LOOKING = (demo, core, worker, run, list_, status, why, history)
_STEERING = (approve, reject, cancel, terminate, pause, resume, retry, redrive, fork, migrate)

for each in (*_LOOKING, *_STEERING, store, doctor):
    cli.add_command(each)
