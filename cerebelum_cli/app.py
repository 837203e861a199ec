"""All commands of `cerebelum`."""

from __future__ import annotations

from importlib import import_module

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
  2 wrong usage      5 refused               141 nobody reads any more
"""


_COMMANDS = {
    "demo": ("demo.command", "See a workflow survive kill -9."),
    "core": ("serving", "Start a Core: it keeps every execution."),
    "worker": ("serving", "Run the steps of the workflows in MODULE."),
    "run": ("running", "Run a workflow."),
    "list": ("executions", "List executions, newest first."),
    "status": ("executions", "Show where an execution stands."),
    "why": ("why", "Tell why an execution is not moving."),
    "queues": ("queues", "Show what waits in each queue, and who serves it."),
    "workflow": ("workflow", "Print the page about a workflow."),
    "history": ("executions", "Show everything that happened to an execution."),
    "approve": ("decisions", "Say yes to an execution that waits for approval."),
    "reject": ("decisions", "Say no to an execution that waits for approval."),
    "signal": ("decisions", "Send an execution a signal."),
    "cancel": ("decisions", "End an execution; its steps may clean up."),
    "terminate": ("lifecycle", "End an execution at once."),
    "pause": ("lifecycle", "Hand out nothing new of an execution."),
    "resume": ("lifecycle", "Let a paused execution go on."),
    "retry": ("lifecycle", "Let a failed execution go on."),
    "redrive": ("lifecycle", "Hand dead-lettered steps out again."),
    "fork": ("lifecycle", "Begin anew from a step of an execution."),
    "migrate": ("lifecycle", "Move an execution to another version."),
    "store": ("store", "Look after what a Core keeps."),
    "convert": ("converting.command", "Print a workflow in its other spelling."),
    "doctor": ("doctor", "Show versions, and which builds run."),
}
"""Each command, its module and what it does, in the order in which a newcomer meets them. Only what is called is
imported: a Core that starts again after a crash is in a hurry, and so is whoever asks for help.
"""


class _Commands(click.Group):
    """Finds a command in its module."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[cmd_name]
        name = "list_" if cmd_name == "list" else cmd_name
        command: click.Command = getattr(import_module(f"cerebelum_cli.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, told) in _COMMANDS.items()])


@click.group(cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cerebelum", prog_name="cerebelum")
def cli() -> None:
    """Durable workflows: they sleep for days, wait for people, and survive kill -9."""
