"""`list`, `status`, `history`: look at executions."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

import click

from cerebelum_cli.described import Readable
from cerebelum_cli.exits import UsageError, run_async
from cerebelum_cli.options import RemoteCore, core_option, execution_argument, json_option
from cerebelum_cli.output import clock_text, json_text, one_line, print_json, say, say_each, table, time_text, value_of
from cerebelum_cli.timeline import Timeline, event_json, show
from cerebelum_cli.why import words
from cerebelum_client.approvals import asked_data
from cerebelum_proto.control.v1.lifecycle_pb import Explanation
from cerebelum_proto.worker.worker_service_pb import (
    ApprovalInfo,
    ExecutionState,
    ExecutionStatus,
    ListExecutionsRequest,
    ListExecutionsResponse,
)

_PREFIX = "EXECUTION_"
_STATUSES = {each.name.removeprefix(_PREFIX).lower(): each for each in ExecutionState if each}


@click.command(name="list")
@core_option
@click.option("--workflow", metavar="NAME", default="", help="Only executions of this workflow.")
@click.option("--status", "state", type=click.Choice(list(_STATUSES)), help="Only executions in this state.")
@click.option(
    "--dead", is_flag=True, help="Only those with a dead-lettered step, which `cerebelum redrive` lets go on."
)
@click.option("--limit", metavar="N", type=click.IntRange(1, 100), default=50, show_default=True)
@click.option("--after", metavar="PLACE", default="", help="Go on behind a page: the place that it ended with.")
@json_option
def list_(
    core: RemoteCore, workflow: str, state: str | None, dead: bool, limit: int, after: str, as_json: bool
) -> None:
    """List executions, newest first."""
    if dead and state not in (None, "dead_lettered"):
        raise click.UsageError(f"--dead and --status {state} exclude each other: give one of them")
    state = "dead_lettered" if dead else state
    request = ListExecutionsRequest(
        workflow_name=workflow, status=_STATUSES[state] if state else None, limit=limit, page_token=after
    )
    page = run_async(_list(core, request))
    if as_json:
        listed = [_status_json(each, full=False) for each in page.executions]
        print_json({"executions": listed, "total": page.total_count, "next": page.next_page_token or None})
    elif not page.executions:
        click.echo("no executions")
    else:
        table([("EXECUTION", "WORKFLOW", "STATUS", "STEPS", "AT", "STARTED"), *map(_row, page.executions)])
        if page.next_page_token:
            say(f"{page.total_count} in all; --after {quote(page.next_page_token)} shows the next")


async def _list(core: RemoteCore, request: ListExecutionsRequest) -> ListExecutionsResponse:
    async with core.client() as client:
        return await client.executions.list(request)


@click.command()
@execution_argument
@core_option
@json_option
def status(execution_id: str, core: RemoteCore, as_json: bool) -> None:
    """Show where an execution stands, and what it waits for."""
    found, explanations = run_async(_status(core, execution_id))
    if as_json:
        print_json(_status_json(found, full=True))
    else:
        _print_status(found, explanations)


async def _status(core: RemoteCore, execution_id: str) -> tuple[ExecutionStatus, Sequence[Explanation]]:
    async with core.client() as client:
        found = await client.executions.status(execution_id)
        return await Readable(client).status(found), await client.lifecycle.explain(execution_id)


@click.command()
@execution_argument
@core_option
@click.option("--follow", "-f", is_flag=True, help="Go on until the execution has ended.")
@json_option
def history(execution_id: str, core: RemoteCore, follow: bool, as_json: bool) -> None:
    """Show everything that happened to an execution; with --json, one event a line."""
    if not execution_id:
        raise UsageError("the execution's id is empty")
    run_async(_history(core, execution_id, follow, as_json))


async def _history(core: RemoteCore, execution_id: str, follow: bool, as_json: bool) -> None:
    lines = Timeline()
    async with core.client() as client:
        readable = Readable(client)
        async for event in client.executions.history(execution_id, follow=follow):
            told = await readable.event(event)
            if as_json:
                print_json(event_json(told))
            else:
                say(lines.line(told))


def _word(state: ExecutionState) -> str:
    return state.name.removeprefix(_PREFIX).lower()


def _row(each: ExecutionStatus) -> tuple[str, ...]:
    steps = f"{each.current_step_index}/{each.total_steps}"
    place = (_word(each.status), steps, each.current_step_name, clock_text(each.started_at))
    return (each.execution_id, each.workflow_name, *place)


def _print_status(found: ExecutionStatus, explanations: Sequence[Explanation]) -> None:
    steps = f"{found.current_step_index} of {found.total_steps} steps done"
    say(f"{found.execution_id}  {found.workflow_name}  {_word(found.status)}, {steps}")
    for each in found.completed_steps:
        tries = f", {each.attempts} tries" if each.attempts > 1 else ""
        gave = f" with {show(found.outputs[each.step_name])}" if each.step_name in found.outputs else ""
        say(f"  {each.step_name}: {each.status}{tries}{gave}")
    for explanation in explanations if found.completed_at is None else ():
        say(f"  {words(explanation)}")
    if found.approval_info is not None and found.approval_info.data:
        say(f"  {found.approval_info.step_name} asks {one_line(asked_data(found.approval_info.data))}")
    for name, count in found.kept_signals.items():
        say(f"  keeps {count} signal{'s' if count > 1 else ''} '{name}' that nothing has waited for")
    for told in found.progress:
        say(f"  {told.step_name}: {told.percent} %{f', {told.message}' if told.message else ''}")
    if found.error is not None:
        say_each(f"  {found.error.kind}: {found.error.message}")
    for name in found.result_steps:
        say(f"  result of {name}: {json_text(value_of(found.outputs.get(name)))}")


def _approval_json(asked: ApprovalInfo) -> dict[str, object]:
    return {
        "step": asked.step_name,
        "type": asked.approval_type,
        "data": asked_data(asked.data),
        "task_id": asked.task_id,
    }


def _status_json(found: ExecutionStatus, *, full: bool) -> dict[str, object]:
    shown: dict[str, object] = {
        "execution_id": found.execution_id,
        "workflow": found.workflow_name,
        "status": _word(found.status),
        "steps_done": found.current_step_index,
        "steps_total": found.total_steps,
        "current_step": found.current_step_name or None,
        "started_at": time_text(found.started_at),
        "completed_at": time_text(found.completed_at),
    }
    if not full:
        return shown
    sleep, approval, signal, error = found.sleep_info, found.approval_info, found.signal_info, found.error
    return shown | {
        "inputs": value_of(found.exact_inputs),
        "outputs": {name: value_of(payload) for name, payload in found.outputs.items()},
        "result_steps": list(found.result_steps),
        "queue": found.queue or None,
        "queued": [
            {"step": each.step_name, "queue": each.queue, "workers": list(each.worker_ids)}
            for each in found.queued_steps
        ],
        "progress": {each.step_name: {"percent": each.percent, "message": each.message} for each in found.progress},
        "error": None if error is None else {"kind": error.kind, "message": error.message},
        "sleep": None if sleep is None else {"remaining_ms": sleep.remaining_ms, "data": sleep.data},
        "approval": None if approval is None else _approval_json(approval),
        "signal": None if signal is None else {"step": signal.step_name, "name": signal.name},
        "kept_signals": dict(found.kept_signals),
    }
