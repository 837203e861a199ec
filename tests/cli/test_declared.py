"""Workflows that a proto file declares, at the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from shop.v1 import refunds_pb as pb

from cerebelum_cli.exits import UsageError
from cerebelum_cli.loading import load_blueprint, load_workflows
from cerebelum_cli.output import print_json

MODULE = """
from cerebelum import Context
from cerebelum.generated import v1
from shop.v1.refunds_workflows import TidyBase

class Tidy(TidyBase):
    async def sweep(self, context: Context[v1.Empty]) -> None: ...

TIDY = AGAIN = Tidy()
"""


def test_a_module_may_keep_an_object_that_implements_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tidying.py").write_text(MODULE)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert [each.name for each in load_workflows("tidying")] == ["tidy"]
    assert load_workflows("tidying:TIDY")[0].hash == load_workflows("tidying:tidy")[0].hash


def test_a_definition_has_a_page_and_no_code(tmp_path: Path) -> None:
    assert load_blueprint("shop.v1.refunds_workflows:REFUND").workflow_module == "shop.v1.Refund"
    with pytest.raises(UsageError, match=r"'REFUND' declares a workflow, .* by its name, shop\.v1\.Refund"):
        load_workflows("shop.v1.refunds_workflows:REFUND")


def test_a_message_is_shown_as_its_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"repay": pb.Repaid(payment_id="-900"), "look": pb.Verdict(cents=900)})
    assert json.loads(capsys.readouterr().out) == {"repay": {"paymentId": "-900"}, "look": {"cents": "900"}}
