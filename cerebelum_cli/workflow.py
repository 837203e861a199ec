"""`workflow`: the page about a workflow."""

from __future__ import annotations

import sys

import click

from cerebelum_cli.exits import run_async
from cerebelum_cli.loading import load_blueprint
from cerebelum_cli.options import RemoteCore, core_option, json_option
from cerebelum_cli.output import print_json, write_out
from cerebelum_cli.page import for_terminal
from cerebelum_engine import hash_of
from cerebelum_engine.page import page
from cerebelum_proto.worker.worker_service_pb import Blueprint


@click.command()
@click.argument("name", metavar="WORKFLOW")
@click.option("--hash", "digest", metavar="HASH", default="", help="This version of it, and not the newest.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "md"]),
    help="Plain text, or Markdown with its diagram in Mermaid. [default: text on a terminal, else md]",
)
@core_option
@json_option
def workflow(name: str, digest: str, form: str | None, core: RemoteCore, as_json: bool) -> None:
    """Print the page about a workflow: diagram, steps, messages, rules and policies.

    WORKFLOW is the name of one that the Core knows, of decorated steps or declared in proto; MODULE:WORKFLOW is read
    from here.
    """
    blueprint = load_blueprint(name) if ":" in name else run_async(_submitted(core, name, digest))
    if as_json:
        print_json({"workflow": name, "hash": hash_of(blueprint), "blueprint": blueprint})
    elif form == "text" or (form is None and sys.stdout.isatty()):
        for line in for_terminal(blueprint):
            click.echo(line)
    else:
        write_out(page(blueprint))


async def _submitted(core: RemoteCore, name: str, digest: str) -> Blueprint:
    async with core.client() as client:
        return await client.workflow(name, digest)
