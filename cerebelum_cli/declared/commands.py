"""The commands of a declared workflow.

They are `start`, `result`, `status`, `watch`, one for each approval, `reject`, one for each signal, and `cancel`.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta
from shlex import quote
from typing import TypeAlias

import click

from cerebelum.declared.client import WorkflowClient
from cerebelum.declared.definition import ApprovalType, Definition, Outputs, SignalType
from cerebelum.declared.events import Happening
from cerebelum.declared.handle import ApprovalDesk, WorkflowHandle, WorkflowStatus
from cerebelum_cli.decisions import cancel, show_decision, show_signal
from cerebelum_cli.declared.flags import MessageFlags, kebab
from cerebelum_cli.declared.happenings import happening_json, happening_words, readable, shown
from cerebelum_cli.exits import Exit, run_async
from cerebelum_cli.options import (
    RemoteCore,
    core_option,
    execution_argument,
    given,
    json_option,
    limit_option,
    queue_option,
    sender_option,
    signal_id_option,
    tag_option,
    task_option,
    who_option,
)
from cerebelum_cli.output import print_json, say, say_each
from cerebelum_cli.timeline import Timeline
from cerebelum_cli.why import words
from cerebelum_client import PLAIN, Core
from cerebelum_codegen.runtime import Message, Timestamp
from cerebelum_proto.control.v1.control_pb import SignalResponse
from cerebelum_proto.control.v1.lifecycle_pb import Explanation
from cerebelum_proto.options.v1.options_pb import IdReuse
from cerebelum_proto.worker.worker_service_pb import Description

_Handle: TypeAlias = WorkflowHandle[object, Outputs, Happening]
_Status: TypeAlias = WorkflowStatus[object, Outputs]
_Asked: TypeAlias = tuple[str, Message]
_HELP = {"help_option_names": ["-h", "--help"]}
_REUSE = {"same": IdReuse.ID_REUSE_SAME, "refuse": IdReuse.ID_REUSE_REFUSE}
_OURS = frozenset({"start", "result", "status", "watch", "reject", "cancel"})


class _Commands(click.Group):
    """Lists its commands in the order in which they are met."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def commands_of(definitions: Sequence[Definition]) -> click.Group:
    """The commands of one workflow; of several, a group for each, named after it."""
    if len(definitions) == 1:
        return _group(definitions[0], None)
    short = [kebab(each.name.rpartition(".")[2]) for each in definitions]
    times = Counter(short)
    every = _Commands(context_settings=_HELP, help="The workflows of this file.")
    for name, each in zip(short, definitions, strict=True):
        every.add_command(_group(each, name if times[name] == 1 else each.name))
    return every


def _group(definition: Definition, name: str | None) -> click.Group:
    group = _Commands(name, context_settings=_HELP, help=definition.doc or f"Executions of {definition.name}.")
    group.add_command(_start(definition))
    group.add_command(_result(definition))
    group.add_command(_status(definition))
    group.add_command(_watch(definition))
    for approval in definition.approvals:
        group.add_command(_approve(definition, approval))
    if definition.approvals:
        group.add_command(_reject(definition.approvals))
    for signal in definition.signals:
        group.add_command(_signal(definition, signal))
    group.add_command(cancel)
    return group


def _handle(core: Core, execution_id: str, definition: Definition) -> _Handle:
    return WorkflowHandle(core, execution_id, definition)


async def _end(handle: _Handle) -> _Status:
    await handle.execution.result()
    return await handle.status()


def _with_flags(command: click.Command, definition: Definition, kind: type[Message], whole: str) -> MessageFlags:
    """Put the flags of a message before those that the command has, whose names they leave alone."""
    taken = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    told = definition.blueprint.description or Description()
    docs = {field.name: field.doc for each in told.messages if each.name == kind.FULL_NAME for field in each.fields}
    flags = MessageFlags(kind, whole, taken | {whole, "--help"}, docs)
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    own = [each for each in command.params if not isinstance(each, click.Argument)]
    command.params = [*arguments, *flags.options(), *own]
    return flags


# -- start, look, wait -----------------------------------------------------------------------


def _start(definition: Definition) -> click.Command:
    @click.command(help=f"Start an execution of {definition.name}.")
    @click.option("--execution-id", metavar="ID", callback=given, help="Your own id, in place of the contract's.")
    @click.option(
        "--id-reuse",
        type=click.Choice(list(_REUSE)),
        help="With the id of another execution: the same inputs are the same execution, or any are refused.",
    )
    @limit_option("--deadline")
    @tag_option
    @queue_option
    @click.option("--wait/--no-wait", default=False, show_default=True, help="Wait for its end.")
    @core_option
    @json_option
    def start(
        core: RemoteCore,
        execution_id: str | None,
        id_reuse: str | None,
        limit: timedelta | None,
        tags: tuple[str, ...],
        queue: str | None,
        wait: bool,
        as_json: bool,
        **values: object,
    ) -> None:
        inputs = flags.message(values)

        async def call() -> _Status:
            async with core.client() as connection:
                client = WorkflowClient[Message, _Handle](
                    connection, definition, lambda core, chosen: _handle(core, chosen, definition)
                )
                handle = await client.start(
                    inputs,
                    execution_id=execution_id,
                    id_reuse=_REUSE[id_reuse] if id_reuse else None,
                    deadline=limit,
                    tags=tags or None,
                    queue=queue,
                )
                if not wait:
                    return await handle.status()
                say(f"execution {handle.execution_id} (it goes on when you leave)", err=True)
                return await _end(handle)

        _show(run_async(call()), as_json)

    flags = _with_flags(start, definition, definition.inputs, "--input")
    return start


def _result(definition: Definition) -> click.Command:
    @click.command(help="Wait for an execution's end, and show its result.")
    @execution_argument
    @core_option
    @json_option
    def result(execution_id: str, core: RemoteCore, as_json: bool) -> None:
        async def call() -> _Status:
            async with core.client() as client:
                return await _end(_handle(client, execution_id, definition))

        _show(run_async(call()), as_json)

    return result


def _status(definition: Definition) -> click.Command:
    @click.command(help="Show where an execution stands, what its steps have given, and what it asks.")
    @execution_argument
    @core_option
    @json_option
    def status(execution_id: str, core: RemoteCore, as_json: bool) -> None:
        async def call() -> tuple[_Status, dict[str, _Asked], Sequence[Explanation]]:
            async with core.client() as client:
                found = await _handle(client, execution_id, definition).status()
                asked = await _asked(client, definition, found)
                return found, asked, () if found.completed_at else await client.lifecycle.explain(execution_id)

        found, asked, explanations = run_async(call())
        if as_json:
            questions = {name: question for name, (_, question) in asked.items()}
            tasks = {name: task_id for name, (task_id, _) in asked.items()}
            print_json(_status_json(found) | {"asked": questions, "asked_by": tasks})
            return
        _print_status(found)
        for each in definition.steps:
            if (output := getattr(found.outputs, each.method)) is not None:
                say(f"  {each.name}: {shown(output)}")
        for name, (task_id, question) in asked.items():
            say(f"  {name} is asked: {shown(question)} (--task {quote(task_id)})")
        for explanation in explanations:
            say(f"  {words(explanation)}")

    return status


async def _asked(core: Core, definition: Definition, found: _Status) -> dict[str, _Asked]:
    """What it asks people now, by approval, and by which task."""
    asked: dict[str, _Asked] = {}
    for each in definition.approvals if found.state == "waiting_for_approval" else ():
        desk = _desk(core, found.execution_id, each)
        if (question := await desk.question()) is not None:
            asked[each.name] = (desk.task_id, question)
    return asked


def _watch(definition: Definition) -> click.Command:
    @click.command(
        help="Show what happens in an execution, from its beginning to its end; with --json, an event a line."
    )
    @execution_argument
    @core_option
    @json_option
    def watch(execution_id: str, core: RemoteCore, as_json: bool) -> None:
        async def call() -> None:
            lines = Timeline()
            async with core.client() as client, aclosing(_handle(client, execution_id, definition).watch()) as events:
                async for event in events:
                    if as_json:
                        print_json(happening_json(event))
                    else:
                        at = Timestamp.from_datetime(event.at)
                        say(lines.note(at, happening_words(event), str(event.version)))

        run_async(call())

    return watch


def _show(found: _Status, as_json: bool) -> None:
    if as_json:
        print_json(_status_json(found))
    else:
        _print_status(found)
        if found.state == "completed":
            print_json(readable(found.result))
    sys.exit(Exit.FAILED if found.state in {"failed", "cancelled"} else Exit.OK)


def _print_status(found: _Status) -> None:
    say(f"{found.execution_id}  {found.state}")
    if (error := found.error) is not None:
        say_each(f"{error.kind}{f' at {error.step}' if error.step else ''}: {error.message}")


def _status_json(found: _Status) -> dict[str, object]:
    return {
        "execution_id": found.execution_id,
        "status": found.state,
        "result": readable(found.result),
        "outputs": readable(found.outputs),
        "error": readable(found.error),
        "started_at": found.started_at and found.started_at.isoformat(),
        "completed_at": found.completed_at and found.completed_at.isoformat(),
    }


# -- answer ----------------------------------------------------------------------------------


def _desk(core: Core, execution_id: str, approval: ApprovalType) -> ApprovalDesk[Message, Message]:
    return ApprovalDesk(core, execution_id, approval.name, approval.request, approval.response, {})


def _approve(definition: Definition, approval: ApprovalType) -> click.Command:
    name = kebab(approval.name)

    @click.command(
        f"answer-{name}" if name in _OURS else name,
        help=f"{approval.doc}\n\nSays yes to `{approval.name}`, with this answer.".strip(),
    )
    @execution_argument
    @task_option
    @who_option
    @core_option
    @json_option
    def approve(execution_id: str, task_id: str, by: str, core: RemoteCore, as_json: bool, **values: object) -> None:
        answer = flags.message(values)

        async def call() -> None:
            async with core.client() as client:
                await _desk(client, execution_id, approval).approve(answer, decided_by=by, task_id=task_id)

        run_async(call())
        show_decision(execution_id, "approved", approval.name, as_json)

    flags = _with_flags(approve, definition, approval.response, "--response")
    return approve


def _reject(approvals: Sequence[ApprovalType]) -> click.Command:
    by_name = {kebab(each.name): each for each in approvals}

    @click.command(help="Say no to what an execution asks; its step may handle the rejection, or fails.")
    @execution_argument
    @click.option(
        "--approval",
        "name",
        type=click.Choice(list(by_name)),
        default=next(iter(by_name)) if len(by_name) == 1 else None,
        required=len(by_name) > 1,
        help="Which one.",
    )
    @click.option("--reason", metavar="TEXT", default="", help="Why; the step is told.")
    @task_option
    @who_option
    @core_option
    @json_option
    def reject(
        execution_id: str, name: str, reason: str, task_id: str, by: str, core: RemoteCore, as_json: bool
    ) -> None:
        approval = by_name[name]

        async def call() -> None:
            async with core.client() as client:
                await _desk(client, execution_id, approval).reject(reason, decided_by=by, task_id=task_id)

        run_async(call())
        show_decision(execution_id, "rejected", approval.name, as_json)

    return reject


# -- send ------------------------------------------------------------------------------------


def _signal(definition: Definition, kind: SignalType) -> click.Command:
    name = kebab(kind.name)

    @click.command(
        f"signal-{name}" if name in _OURS else name,
        help=f"{kind.doc}\n\nSends `{kind.name}`: the first step that waits for it gets it, now or later.".strip(),
    )
    @execution_argument
    @signal_id_option
    @sender_option
    @core_option
    @json_option
    def signal(execution_id: str, signal_id: str, by: str, core: RemoteCore, as_json: bool, **values: object) -> None:
        payload = flags.message(values)

        async def call() -> SignalResponse:
            async with core.client() as client:
                return await client.executions.signal(
                    execution_id, kind.name, PLAIN.write(payload), signal_id=signal_id, sent_by=by
                )

        show_signal(execution_id, kind.name, run_async(call()), as_json)

    flags = _with_flags(signal, definition, kind.request, "--data")
    return signal
