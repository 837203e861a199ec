"""All commands of `cerebelum`."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version

import click

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


_COMMANDS = {
    "demo": "demo.command",
    **dict.fromkeys(("core", "worker"), "serving"),
    "run": "running",
    **dict.fromkeys(("list", "status"), "executions"),
    "why": "why",
    "queues": "queues",
    "history": "executions",
    **dict.fromkeys(("approve", "reject", "signal", "cancel"), "decisions"),
    **dict.fromkeys(("terminate", "pause", "resume", "retry", "redrive", "fork", "migrate"), "lifecycle"),
    "store": "store",
    "convert": "converting.command",
    "doctor": "doctor",
}
"""Each command and its module, in the order in which a newcomer meets them. Only what is called is imported: a Core
that starts again after a crash is in a hurry.
"""


class _Commands(click.Group):
    """Finds a command in its module."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _COMMANDS.get(cmd_name)
        if module is None:
            return None
        name = "list_" if cmd_name == "list" else cmd_name
        command: click.Command = getattr(import_module(f"cerebelum_cli.{module}"), name)
        return command


@click.group(cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("cerebelum"), prog_name="cerebelum")
def cli() -> None:
    """Durable workflows: they sleep for days, wait for people, and survive kill -9."""
