"""`run`: start an execution, here or on a Core."""

from __future__ import annotations

import sys
from datetime import timedelta

import click

from cerebelum import DistributedExecutor, ExecutionResult, Workflow
from cerebelum.options import StartOptions
from cerebelum.results import result_of
from cerebelum_cli.asking import Terminal
from cerebelum_cli.described import Readable
from cerebelum_cli.exits import Exit, UsageError, run_async
from cerebelum_cli.loading import load_workflows
from cerebelum_cli.options import (
    FROM_FILE,
    RemoteCore,
    core_option,
    given,
    json_option,
    limit_option,
    queue_option,
    read_json,
    tag_option,
)
from cerebelum_cli.output import print_json, say, say_each
from cerebelum_client import PayloadError


@click.command()
@click.argument("workflow", metavar="MODULE:WORKFLOW")
@click.option(
    "--input",
    "inputs",
    callback=read_json,
    default="null",
    metavar="JSON",
    help=f"What it starts with; {FROM_FILE}.",
)
@click.option(
    "--execution-id",
    metavar="ID",
    callback=given,
    help="Your own id: the same id and input again is the same execution.",
)
@queue_option
@limit_option("--timeout")
@tag_option
@core_option
@click.option("--local", is_flag=True, help="Run it in this process; nothing is kept.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait for its end.")
@json_option
def run(
    workflow: str,
    inputs: object,
    execution_id: str | None,
    queue: str | None,
    limit: timedelta | None,
    tags: tuple[str, ...],
    core: RemoteCore,
    local: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Run a workflow.

    MODULE:WORKFLOW is read from here; a bare name means the newest workflow of this name that the Core knows. Exits
    with 1 when the execution fails.
    """
    if local and not wait:
        raise click.UsageError("--local cannot run without waiting: leave out --no-wait")
    if local and queue is not None:
        raise click.UsageError("--queue says which workers of a Core: leave out --local")
    if local and tags:
        raise click.UsageError("--tag marks an execution that is kept, and with --local nothing is: leave one out")
    if local:
        result = run_async(_run_here(_loaded(workflow), inputs, execution_id, limit))
    else:
        options: StartOptions = {"execution_id": execution_id, "queue": queue, "timeout": limit, "tags": tags}
        submitted = _loaded(workflow) if ":" in workflow else workflow
        result = run_async(_run_there(submitted, inputs, options, core, wait))
    _show(result, as_json)
    sys.exit(Exit.OK if result.error is None and result.status != "cancelled" else Exit.FAILED)


async def _run_here(
    workflow: Workflow, inputs: object, execution_id: str | None, limit: timedelta | None
) -> ExecutionResult:
    approver = Terminal().decide if sys.stdin.isatty() else None
    return await workflow.execute(inputs, execution_id=execution_id, timeout=limit, approver=approver)


async def _run_there(
    workflow: Workflow | str, inputs: object, options: StartOptions, core: RemoteCore, wait: bool
) -> ExecutionResult:
    async with core.client() as client:
        handle = await DistributedExecutor(client).submit(workflow, inputs, **options)
        if wait:
            say(f"execution {handle.execution_id} (it goes on when you leave)", err=True)
        try:
            return await (handle.result() if wait else handle.status())
        except PayloadError:  # it has ended, with what only its code can read
            status = await client.executions.status(handle.execution_id)
            return result_of(await Readable(client).status(status))


def _loaded(name: str) -> Workflow:
    if ":" not in name:
        raise UsageError(f"{name!r} names no workflow: write MODULE:WORKFLOW, for example shop.orders:order")
    return load_workflows(name)[0]


def _show(result: ExecutionResult, as_json: bool) -> None:
    if as_json:
        error = result.error
        print_json(
            {
                "execution_id": result.execution_id,
                "status": result.status,
                "output": result.output,
                "error": None
                if error is None
                else {"kind": error.kind, "message": error.message, "step": error.step, "reason": error.reason},
                "started_at": result.started_at and result.started_at.isoformat(),
                "completed_at": result.completed_at and result.completed_at.isoformat(),
            }
        )
        return
    say(f"{result.execution_id}  {result.status}")
    if result.error is not None:
        at = f" at {result.error.step}" if result.error.step else ""
        say_each(f"{result.error.kind}{at}: {result.error.message}")
    elif result.status == "completed":
        print_json(result.output)
