"""`approve`, `reject`, `signal`, `cancel`: people decide, and tell executions what has happened outside."""

from __future__ import annotations

import click

from cerebelum_cli.exits import run_async
from cerebelum_cli.options import (
    FROM_FILE,
    RemoteCore,
    Seconds,
    core_option,
    execution_argument,
    json_option,
    read_json,
    sender_option,
    signal_id_option,
    step_option,
    task_option,
    who_option,
)
from cerebelum_cli.output import print_json, say
from cerebelum_client import to_payload
from cerebelum_proto.control.v1.control_pb import SignalResponse


@click.command()
@execution_argument
@click.option(
    "--response",
    callback=read_json,
    default="null",
    metavar="JSON",
    help=f"What the step gets with the yes; {FROM_FILE}.",
)
@who_option
@step_option
@task_option
@core_option
@json_option
def approve(
    execution_id: str, response: object, by: str, step: str, task_id: str, core: RemoteCore, as_json: bool
) -> None:
    """Say yes to an execution that waits for approval; its step goes on."""

    async def call() -> str:
        async with core.client() as client:
            return await client.approvals.approve(
                execution_id, response=to_payload(response), decided_by=by, step=step, task_id=task_id
            )

    show_decision(execution_id, "approved", run_async(call()), as_json)


@click.command()
@execution_argument
@click.option("--reason", metavar="TEXT", default="", help="Why; the step is told.")
@who_option
@step_option
@task_option
@core_option
@json_option
def reject(execution_id: str, reason: str, by: str, step: str, task_id: str, core: RemoteCore, as_json: bool) -> None:
    """Say no to an execution that waits for approval; its step may handle the rejection, or fails."""

    async def call() -> str:
        async with core.client() as client:
            return await client.approvals.reject(execution_id, reason=reason, decided_by=by, step=step, task_id=task_id)

    show_decision(execution_id, "rejected", run_async(call()), as_json)


@click.command()
@execution_argument
@click.argument("name")
@click.option("--data", callback=read_json, default="null", metavar="JSON", help=f"What comes with it; {FROM_FILE}.")
@signal_id_option
@sender_option
@core_option
@json_option
def signal(
    execution_id: str, name: str, data: object, signal_id: str, by: str, core: RemoteCore, as_json: bool
) -> None:
    """Send an execution a signal: the first step that waits for this name gets it, now or later."""

    async def call() -> SignalResponse:
        async with core.client() as client:
            return await client.executions.signal(execution_id, name, to_payload(data), signal_id=signal_id, sent_by=by)

    show_signal(execution_id, name, run_async(call()), as_json)


@click.command()
@execution_argument
@click.option("--reason", metavar="TEXT", default="", help="Why; recorded.")
@click.option(
    "--cleanup",
    "cleanup_s",
    metavar="SECONDS",
    type=Seconds(),
    default=30.0,
    show_default=True,
    help="How long steps that run may clean up.",
)
@who_option
@core_option
@json_option
def cancel(execution_id: str, reason: str, cleanup_s: float, by: str, core: RemoteCore, as_json: bool) -> None:
    """End an execution: steps that run are cancelled, may clean up, and their outcome is recorded."""

    async def call() -> bool:
        async with core.client() as client:
            cleanup_ms = int(cleanup_s * 1000)
            return await client.lifecycle.cancel(execution_id, reason=reason, cancelled_by=by, cleanup_ms=cleanup_ms)

    show_decision(execution_id, "cancelled" if run_async(call()) else "cancelling", "", as_json)


def show_decision(execution_id: str, decision: str, step: str, as_json: bool) -> None:
    """Tell what was decided, about which step or approval."""
    if as_json:
        print_json({"execution_id": execution_id, "decision": decision, "step": step or None})
    else:
        say(f"{decision} {step or execution_id}")


def show_signal(execution_id: str, name: str, response: SignalResponse, as_json: bool) -> None:
    """Tell that a signal was sent, or had been."""
    if as_json:
        told = {"signal": name, "signal_id": response.signal_id, "recorded": response.recorded}
        print_json({"execution_id": execution_id, **told})
    else:
        say(f"sent {name}" if response.recorded else f"{name} had been sent before")
