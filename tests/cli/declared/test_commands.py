"""The command line of a declared workflow against a real Core and a real worker."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from cerebelum_cli.exits import Exit
from cerebelum_proto.events.v1 import events_pb as ev
from tests.cli.command_line import Ran, cerebelum, python
from tests.codegen.generating import PROJECT
from tests.e2e.stage import Stage, stage, until
from tests.sdk.declared import shop

WORK = "tests.cli.declared.work"


@pytest.fixture(autouse=True)
def generated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (shop.GENERATED, PROJECT))))


async def orders(on: Stage, *arguments: str) -> Ran:
    return await asyncio.to_thread(
        python, "-m", "shop.v1.orders_workflows", *arguments, folder=on.folder, CEREBELUM_URL=on.core.address
    )


async def general(on: Stage, *arguments: str) -> Ran:
    return await asyncio.to_thread(cerebelum, *arguments, folder=on.folder, CEREBELUM_URL=on.core.address)


async def test_from_start_to_a_question_to_the_result(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker(module=WORK)
        started = await orders(on, "start", "--order-id", "7", "--skus", "book", "--skus", "doubtful", "--json")
        assert started.code == Exit.OK, started.err
        assert json.loads(started.out)["execution_id"] == "order/7"
        await until(client, "order/7", ev.ApprovalRequested)

        status = await orders(on, "status", "order/7")
        assert status.out.splitlines()[0] == "order/7  waiting_for_approval"
        assert '  charge: {"paymentId": "500 of 7"}' in status.out
        assert '  confirm_address is asked: {"orderId": "7", "guess": "home"} (--task order/7/ship/1.1.0)' in status.out

        asked = json.loads((await orders(on, "status", "order/7", "--json")).out)
        assert asked["asked_by"] == {"confirm_address": "order/7/ship/1.1.0"}
        answer = ("confirm-address", "order/7", "--address", "1 Main Street", "--by", "Ada", "--task")
        stale = await orders(on, *answer, "order/7/ship/1.1.1")
        assert (stale.code, "asks another one: look at that before you decide" in stale.err) == (Exit.REFUSED, True)
        answered = await orders(on, *answer, "order/7/ship/1.1.0")
        assert (answered.code, answered.out) == (Exit.OK, "approved confirm_address\n")

        ended = await orders(on, "result", "order/7")
        assert ended.out == 'order/7  completed\n{"trackingId": "t7", "address": "1 Main Street"}\n'
        watched = await orders(on, "watch", "order/7")
        assert 'ship: approved by Ada with {"address": "1 Main Street"}' in watched.out
        events = [json.loads(line) for line in (await orders(on, "watch", "order/7", "--json")).out.splitlines()]
        assert events[0]["inputs"] == {"orderId": "7", "skus": ["book", "doubtful"]}
        assert events[-1]["result"] == {"trackingId": "t7", "address": "1 Main Street"}


async def test_the_general_commands_show_messages_by_what_the_core_was_told_of_them(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        await on.start_worker(module=WORK)
        name, inputs = "shop.v1.OrderFulfilment", '{"orderId": "7", "skus": ["book"]}'
        ran = await general(on, "run", name, "--input", inputs, "--execution-id", "x", "--timeout", "3600")
        assert (ran.code, ran.out) == (Exit.OK, 'x  completed\n{"trackingId": "t7"}\n')
        status = (await general(on, "status", "x")).out
        assert '  charge: completed with {"paymentId": "500 of 7"}\n' in status
        assert '  result of ship: {"trackingId": "t7"}\n' in status
        history = (await general(on, "history", "x", "--json")).out.splitlines()
        outputs = {told["step"]: told["output"] for told in map(json.loads, history) if told["kind"] == "StepCompleted"}
        assert outputs["charge"] == {"paymentId": "500 of 7"}
        page = (await general(on, "workflow", name)).out
        assert "### `shop.v1.Receipt`" in page


async def test_what_fails_or_is_refused_has_an_exit_code_and_a_reason(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker(module=WORK)
        failed = await orders(on, "start", "--order-id", "8", "--skus", "declined", "--wait")
        assert (failed.code, failed.out.splitlines()[0]) == (Exit.FAILED, "order/8  failed")
        assert "failed_by_rule at charge: no money" in failed.out
        assert (await orders(on, "result", "order/8")).code == Exit.FAILED

        other = await orders(on, "start", "--order-id", "8", "--skus", "book")
        assert other.code == Exit.REFUSED
        late = await orders(on, "confirm-address", "order/8", "--address", "late")
        assert (late.code, late.err) == (
            Exit.REFUSED,
            "error: execution 'order/8' does not wait for confirm_address\n",
        )
        assert (await orders(on, "status", "order/9")).code == Exit.NOT_FOUND
        for nothing in (("start",), ("confirm-address", "order/8")):
            assert (await orders(on, *nothing)).code == Exit.USAGE

        await orders(on, "start", "--order-id", "10", "--skus", "doubtful", "--execution-id", "mine")
        await until(client, "mine", ev.ApprovalRequested)
        rejected = await orders(on, "reject", "mine", "--reason", "moved away", "--by", "Ada")
        assert (rejected.code, rejected.out) == (Exit.OK, "rejected confirm_address\n")
        ended = await orders(on, "result", "mine")
        assert ended.code == Exit.FAILED
        assert "rejected by Ada: moved away" in ended.out


async def test_signals_are_sent_with_their_own_flags_and_an_execution_is_cancelled(tmp_path: Path) -> None:
    async with stage(tmp_path) as on, on.client() as client:
        await on.start_worker(module=WORK)
        await orders(on, "start", "--order-id", "7", "--skus", "on_account")
        paid = ("payment-received", "order/7", "--reference", "r1", "--cents", "500", "--signal-id", "1")
        assert (await orders(on, *paid, "--by", "bank")).out == "sent payment_received\n"
        assert (await orders(on, *paid)).out == "payment_received had been sent before\n"
        await until(client, "order/7", ev.SignalAwaited)
        assert (await orders(on, "status", "order/7")).out.startswith("order/7  waiting_for_signal\n")
        assert (await orders(on, "hurry", "order/7", "--json")).code == Exit.OK
        ended = await orders(on, "result", "order/7")
        assert ended.out == 'order/7  completed\n{"trackingId": "r1", "address": "500 cents"}\n'
        watched = (await orders(on, "watch", "order/7")).out
        assert 'signal payment_received by bank came with {"reference": "r1", "cents": "500"}' in watched
        assert "ship: waits for signal hurry" in watched
        assert "ship: takes signal payment_received" in watched

        await orders(on, "start", "--order-id", "8", "--skus", "on_account")
        await until(client, "order/8", ev.SignalAwaited)
        assert (await orders(on, "cancel", "order/8", "--reason", "changed my mind")).out == "cancelled order/8\n"
        assert (await orders(on, "result", "order/8")).code == Exit.FAILED


def test_of_several_workflows_the_first_word_names_one(tmp_path: Path) -> None:
    told = python("-m", "shop.v1.refunds_workflows", "refund", "--help", folder=tmp_path)
    assert "sign-off" in told.out
    assert "Nothing but steps" in python("-m", "shop.v1.refunds_workflows", "tidy", "--help", folder=tmp_path).out
    away = python(
        "-m", "shop.v1.refunds_workflows", "tidy", "start", "--core", "localhost:1", "--retry", "0", folder=tmp_path
    )
    assert away.code == Exit.UNREACHABLE


def test_without_click_it_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import runpy, sys; sys.modules['click'] = None; runpy.run_module('shop.v1.orders_workflows', None, '__main__')"
    )
    told = python("-c", code, folder=tmp_path)
    assert (told.code, told.err) == (
        Exit.USAGE,
        "error: the command line is not installed: pip install 'cerebelum[cli]'\n",
    )
