"""The commands against a real Core and a real worker, as a person types them and as a script reads them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import click

from cerebelum_cli.app import cli
from cerebelum_cli.exits import Exit
from cerebelum_proto.events.v1 import events_pb as ev
from tests.cli.command_line import Ran, cerebelum
from tests.e2e.stage import Stage, stage, until


async def command(on: Stage, *arguments: str) -> Ran:
    return await asyncio.to_thread(cerebelum, *arguments, folder=on.folder, CEREBELUM_URL=on.core.address)


async def test_from_run_to_approval_to_history(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker()
        ran = await command(
            on, "run", "signer", "--input", '{"order": 7}', "--execution-id", "order-7", "--no-wait", "--json"
        )
        assert ran.code == Exit.OK
        assert json.loads(ran.out)["execution_id"] == "order-7"
        await until(client, "order-7", ev.ApprovalRequested)

        status = await command(on, "status", "order-7")
        assert "sign: waits for approval (signature); cerebelum approve order-7" in status.out
        assert 'sign asks {"order": 7}\n' in status.out
        assert '"data": {"order": 7}' in (await command(on, "history", "order-7", "--json")).out
        listed = json.loads((await command(on, "list", "--json", "--status", "waiting_for_approval")).out)
        assert [each["execution_id"] for each in listed["executions"]] == ["order-7"]

        approved = await command(on, "approve", "order-7", "--response", '{"ok": true}', "--by", "Ada", "--json")
        assert json.loads(approved.out) == {"execution_id": "order-7", "decision": "approved", "step": "sign"}

        ran = await command(on, "run", "signer", "--input", '{"order": 7}', "--execution-id", "order-7", "--json")
        assert ran.code == Exit.OK
        assert json.loads(ran.out)["output"] == "delivered, signed by Ada: {'ok': True}"

        history = await command(on, "history", "order-7", "--follow")
        assert "sign: approved by Ada with" in history.out
        lines = [json.loads(line) for line in (await command(on, "history", "order-7", "--json")).out.splitlines()]
        assert [line["version"] for line in lines] == list(range(1, len(lines) + 1))
        assert lines[-1]["kind"] == "ExecutionCompleted"


async def test_what_is_not_found_is_named_without_what_a_terminal_would_obey(tmp_path: Path) -> None:
    odd, spelled = "a\nb\x1b[31m\u2028é", r"'a\nb\x1b[31m\u2028é'"
    async with stage(tmp_path) as on:
        for name in ("status", "history", "why", "approve", "cancel", "pause", "fork"):
            ran = await command(on, name, odd, *(["--step", "x"] if name == "fork" else []))
            assert ran == Ran(Exit.NOT_FOUND, "", f"error: there is no execution {spelled}\n")
        ran = await command(on, "workflow", odd)
        assert (ran.code, len(ran.err.splitlines()), spelled in ran.err) == (Exit.NOT_FOUND, 1, True)


async def test_signals_are_sent_kept_and_told(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker()
        await command(on, "run", "buyer", "--input", '{"order": 7}', "--execution-id", "one", "--no-wait")
        await until(client, "one", ev.SignalAwaited)
        status = await command(on, "status", "one")
        assert "settle: waits for signal 'paid'; cerebelum signal one paid" in status.out
        assert (await command(on, "status", "one", "--json")).out.count(
            '"signal": {"step": "settle", "name": "paid"}'
        ) == 1

        wrong = await command(on, "signal", "one", "payed")
        assert (wrong.code, wrong.err) == (Exit.USAGE, "error: workflow 'buyer' has no signal 'payed': it takes paid\n")
        sent = await command(on, "signal", "one", "paid", "--data", "7", "--signal-id", "a", "--by", "Ada", "--json")
        assert json.loads(sent.out) == {"execution_id": "one", "signal": "paid", "signal_id": "a", "recorded": True}
        again = await command(on, "signal", "one", "paid", "--data", "7", "--signal-id", "a")
        assert again.out == "paid had been sent before\n"
        assert (await command(on, "signal", "one", "paid", "--data", "8")).out == "sent paid\n"
        await until(client, "one", ev.ExecutionCompleted)

        history = (await command(on, "history", "one")).out
        for words in ("settle: waits for signal paid", "signal paid by Ada came with 7", "settle: takes signal paid"):
            assert words in history
        late = await command(on, "signal", "one", "paid")
        assert (late.code, "has ended (completed)" in late.err) == (Exit.REFUSED, True)


async def test_what_the_core_refuses_has_an_exit_code_and_a_reason(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker()
        await command(on, "run", "signer", "--input", '{"order": 1}', "--execution-id", "one", "--no-wait")
        await until(client, "one", ev.ApprovalRequested)

        for arguments, code, words in [
            (["status", "nobody"], Exit.NOT_FOUND, "there is no execution 'nobody'"),
            (["history", "nobody"], Exit.NOT_FOUND, "there is no execution 'nobody'"),
            (["approve", "nobody"], Exit.NOT_FOUND, "there is no execution 'nobody'"),
            (["run", "nothing"], Exit.NOT_FOUND, "no blueprint of workflow 'nothing' was submitted"),
            (["approve", "one", "--step", "deliver"], Exit.REFUSED, "'deliver'"),
            (["approve", "one", "--task", "one/sign/1.1.9"], Exit.REFUSED, "waits no more: decide what is asked now"),
            (["reject", "one", "--task", "one/sign/1.1.9"], Exit.REFUSED, "waits no more: decide what is asked now"),
            (["run", "signer", "--input", "{}", "--execution-id", "one"], Exit.REFUSED, "choose another id"),
        ]:
            ran = await command(on, *arguments)
            assert (ran.code, ran.out) == (code, ""), arguments
            assert words in ran.err

        shown = json.loads((await command(on, "status", "one", "--json")).out)["approval"]
        rejected = await command(on, "reject", "one", "--task", shown["task_id"], "--reason", "too dear", "--by", "Ada")
        assert rejected.out == "rejected sign\n"
        await until(client, "one", ev.ExecutionCompleted)
        again = await command(on, "cancel", "one")
        assert again.code == Exit.REFUSED
        assert "has ended (completed)" in again.err


async def test_cancel_ends_an_execution_and_a_failed_one_exits_with_1(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker()
        await command(on, "run", "signer", "--input", '{"order": 1}', "--execution-id", "one", "--no-wait")
        await until(client, "one", ev.ApprovalRequested)
        assert (await command(on, "cancel", "one", "--reason", "changed my mind")).out == "cancelled one\n"
        waited = await command(on, "run", "signer", "--input", '{"order": 1}', "--execution-id", "one")
        assert waited.code == Exit.FAILED
        failed = await command(on, "run", "signer", "--input", '{"no": "order"}', "--json")
        assert failed.code == Exit.FAILED
        assert json.loads(failed.out)["error"]["kind"] == "KeyError"

        newest = json.loads((await command(on, "list", "--limit", "1", "--json")).out)
        rest = json.loads((await command(on, "list", "--after", newest["next"], "--json")).out)
        assert ([each["execution_id"] for each in rest["executions"]], rest["next"]) == (["one"], None)


async def test_the_page_of_a_workflow_is_printed_by_whoever_has_its_blueprint(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker()
        there = await command(on, "workflow", "queued")
        assert "# queued\n" in there.out
        assert "| `press` |  | `int` of `fold` | `str` | queue `heavy` |" in there.out
        here = await asyncio.to_thread(
            cerebelum, "workflow", "tests.e2e.flows:queued", folder=Path(__file__).parents[2], E2E_NOTES=str(tmp_path)
        )
        assert here.out == there.out
        told = json.loads((await command(on, "workflow", "queued", "--json")).out)
        assert (await client.workflow("queued", told["hash"])).description is not None
        assert (await command(on, "workflow", "queued", "--hash", told["hash"])).out == there.out
        assert (await command(on, "workflow", "nobody")).code == Exit.NOT_FOUND


async def test_a_second_core_on_the_same_file_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        second = await command(on, "core", "--listen", "127.0.0.1:0", "--store", f"sqlite:///{tmp_path}/core.db")
        assert second.code == Exit.UNUSABLE
        assert f"process {on.core.pid}" in second.err
        assert (await command(on, "list")).out == "no executions\n"


async def test_a_local_run_keeps_nothing_and_says_that_nobody_is_there_to_approve(tmp_path: Path) -> None:
    ran = await asyncio.to_thread(
        cerebelum,
        "run",
        "tests.e2e.flows:signer",
        "--local",
        "--input",
        '{"order": 1}',
        folder=Path(__file__).parents[2],
        E2E_NOTES=str(tmp_path / "notes"),
    )
    assert ran.code == Exit.FAILED
    assert "step 'sign' waits for approval and nobody is there to decide" in ran.err


async def test_the_demo_ends_well_and_says_so_to_a_script(tmp_path: Path) -> None:
    ran = await asyncio.to_thread(cerebelum, "demo", "--json", folder=tmp_path)
    assert ran.code == Exit.OK, ran.err
    told = json.loads(ran.out)
    assert (told["ok"], told["faults"]) == (True, [])
    assert "-- the Core is killed with -9" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_help_teaches_the_first_steps_and_every_command_explains_itself(tmp_path: Path) -> None:
    top = cerebelum("--help", folder=tmp_path)
    assert "First steps:" in top.out
    assert "Exit codes:" in top.out
    commands = ["demo", "core", "worker", "run", "list", "status", "history", "approve", "reject", "signal"]
    commands += ["cancel", "store"]
    for name in commands:
        ran = cerebelum(name, "--help", folder=tmp_path)
        assert ran.code == Exit.OK
        assert len(ran.out.splitlines()) > 5


def test_help_imports_neither_the_sdk_nor_a_core_and_names_every_command() -> None:
    seen = "import sys; print({each.partition('.')[0] for each in sys.modules if each.startswith('cerebelum')})"
    ran = subprocess.run(
        [sys.executable, "-c", f"from cerebelum_cli.app import cli\ncli(['--help'], standalone_mode=False)\n{seen}"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout.splitlines()[-1] == "{'cerebelum_cli'}"
    assert all(f"\n  {name} " in ran.stdout for name in cli.list_commands(click.Context(cli)))
