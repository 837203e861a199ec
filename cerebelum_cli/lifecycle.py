"""`pause`, `resume`, `retry`, `redrive`, `fork`, `migrate`, `terminate`: operators steer whole executions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

from cerebelum_cli.exits import run_async
from cerebelum_cli.options import RemoteCore, core_option, execution_argument, given, json_option, who_option
from cerebelum_cli.output import print_json, say
from cerebelum_client.lifecycle import Lifecycle

_T = TypeVar("_T")


@click.command()
@execution_argument
@click.option("--reason", metavar="TEXT", default="", help="Why; recorded.")
@who_option
@core_option
@json_option
def pause(execution_id: str, reason: str, by: str, core: RemoteCore, as_json: bool) -> None:
    """Hand out nothing new of an execution until it is resumed.

    Steps that run may finish and are recorded. Timers go on: what they end is remembered and goes on with the resume.
    A deadline holds while it is paused.
    """
    _call(core, lambda lifecycle: lifecycle.pause(execution_id, reason=reason, paused_by=by))
    _show(execution_id, "paused", as_json)


@click.command()
@execution_argument
@who_option
@core_option
@json_option
def resume(execution_id: str, by: str, core: RemoteCore, as_json: bool) -> None:
    """Let a paused execution go on."""
    _call(core, lambda lifecycle: lifecycle.resume(execution_id, resumed_by=by))
    _show(execution_id, "resumed", as_json)


@click.command()
@execution_argument
@who_option
@core_option
@json_option
def retry(execution_id: str, by: str, core: RemoteCore, as_json: bool) -> None:
    """Let a failed execution go on: its failed steps begin anew, all other results stay."""
    steps = _call(core, lambda lifecycle: lifecycle.retry(execution_id, retried_by=by))
    _show(execution_id, "retried", as_json, steps=list(steps))


@click.command()
@execution_argument
@click.option("--step", metavar="NAME", default="", help="Only this step.")
@who_option
@core_option
@json_option
def redrive(execution_id: str, step: str, by: str, core: RemoteCore, as_json: bool) -> None:
    """Hand dead-lettered steps out again: those that kept losing their workers."""
    steps = _call(core, lambda lifecycle: lifecycle.redrive(execution_id, step=step, redriven_by=by))
    _show(execution_id, "redriven", as_json, steps=list(steps))


@click.command()
@execution_argument
@click.option(
    "--step", metavar="NAME", default="", help="The first step that runs anew. [default: the one that failed]"
)
@click.option("--execution-id", "new_id", metavar="ID", default="", callback=given, help="The id of the new execution.")
@who_option
@core_option
@json_option
def fork(execution_id: str, step: str, new_id: str, by: str, core: RemoteCore, as_json: bool) -> None:
    """Begin a new execution from a step of this one's history; prints its id.

    What other steps had done by then is inherited and does not run again.
    """
    forked = _call(
        core,
        lambda lifecycle: lifecycle.fork(execution_id, step=step, new_execution_id=new_id, forked_by=by),
    )
    if as_json:
        print_json({"execution_id": forked.execution_id, "created": forked.created, "origin": execution_id})
    else:
        say(forked.execution_id)


@click.command()
@execution_argument
@click.option("--to", "digest", metavar="HASH", default="", help="A blueprint's hash. [default: the newest]")
@who_option
@core_option
@json_option
def migrate(execution_id: str, digest: str, by: str, core: RemoteCore, as_json: bool) -> None:
    """Move an execution to another version of its workflow.

    Refused, with reasons, when what has happened would have happened otherwise there.
    """
    moved = _call(core, lambda lifecycle: lifecycle.migrate(execution_id, workflow_hash=digest, migrated_by=by))
    _show(execution_id, "migrated", as_json, workflow_hash=moved)


@click.command()
@execution_argument
@click.option("--reason", metavar="TEXT", default="", help="Why; recorded.")
@who_option
@core_option
@json_option
def terminate(execution_id: str, reason: str, by: str, core: RemoteCore, as_json: bool) -> None:
    """End an execution at once; steps that run cannot clean up. See also `cancel`."""
    _call(core, lambda lifecycle: lifecycle.terminate(execution_id, reason=reason, terminated_by=by))
    _show(execution_id, "terminated", as_json)


def _call(core: RemoteCore, ask: Callable[[Lifecycle], Awaitable[_T]]) -> _T:
    async def call() -> _T:
        async with core.client() as client:
            return await ask(client.lifecycle)

    return run_async(call())


def _show(execution_id: str, done: str, as_json: bool, **details: object) -> None:
    if as_json:
        print_json({"execution_id": execution_id, "done": done, **details})
        return
    told = "; ".join(
        f"{name}: {', '.join(value) if isinstance(value, list) else value}" for name, value in details.items() if value
    )
    say(f"{done} {execution_id}{f' ({told})' if told else ''}")
