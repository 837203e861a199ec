"""What is generated for these tests is what the plugin writes, and says what the DSL says."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from shop.v1 import orders_workflows

from cerebelum import Retry, WorkflowBuilder, fail, step, workflow
from cerebelum.conditions import TextCondition
from cerebelum_engine import hash_of
from tests.sdk.declared import shop


def test_the_committed_modules_are_what_the_plugin_writes() -> None:
    written = {str(path.relative_to(shop.GENERATED)): path.read_text() for path in shop.GENERATED.rglob("*.py")}
    modules = {path: text for path, text in shop.modules().items() if path.endswith(".py")}
    assert written == modules, "write them anew: python -m tests.sdk.declared.shop"


def test_a_workflow_is_no_service_that_is_called_over_the_wire() -> None:
    assert not [path for path in shop.modules() if path.endswith(("_grpc.py", "_descriptors.py"))]


@pytest.mark.parametrize(
    ("load", "unwanted"),
    [
        ("shop.v1.orders_pb", "cerebelum cerebelum_client cerebelum_engine hpack google.protobuf"),
        ("shop.v1.orders_workflows", "cerebelum_core cerebelum_codegen.plugin google.protobuf cel_expr_python"),
        ("cerebelum_codegen.plugin.program", "cerebelum cerebelum_client cerebelum_engine cerebelum_proto"),
    ],
)
def test_nobody_loads_what_only_others_need(load: str, unwanted: str) -> None:
    code = f"import {load}, sys; print(*sys.modules.keys() & set('{unwanted}'.split()))"
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(shop.GENERATED)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert loaded.stdout.split() == []


def test_the_dsl_says_the_very_same_blueprint() -> None:
    @step
    async def validate(inputs: object) -> None: ...
    @step(
        retry=Retry(max_attempts=5, initial_interval=timedelta(milliseconds=500), non_retryable=("CardDeclined",)),
        timeout=timedelta(seconds=30),
    )
    async def charge(validate: object) -> None: ...
    @step
    async def notify(charge: object) -> None: ...
    @step
    async def pack(validate: object) -> None: ...
    @step
    async def label(pack: object) -> None: ...
    @step
    async def ship(inputs: object, label: object, charge: object, review: object = None) -> None: ...
    @step
    async def backorder(inputs: object) -> None: ...
    @step
    async def review(validate: object) -> None: ...

    @workflow(name="shop.v1.OrderFulfilment")
    def orders(wf: WorkflowBuilder) -> None:
        wf.timeline(validate >> charge >> [notify, pack >> label] >> ship)
        wf.signals("payment_received", "hurry")
        wf.diverge(validate, {"out_of_stock": backorder})
        wf.diverge(charge, {"CardDeclined": fail("no money")})
        dear = TextCondition("validate", "validate.total_cents > 100000 && inputs.kind == 'EXPRESS'")
        wf.branch(validate, condition=dear, when_true=review)

    assert orders.blueprint.definition == orders_workflows.ORDER_FULFILMENT.blueprint.definition
    assert orders.hash == hash_of(orders_workflows.ORDER_FULFILMENT.blueprint)
