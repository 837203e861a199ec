"""The page about a workflow says what its contract says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from shop.v1 import orders_workflows, refunds_workflows

from cerebelum_engine.page import page
from cerebelum_engine.spelling import span
from cerebelum_proto.worker import worker_service_pb as pb
from tests.codegen.generating import PROJECT, described, generated

EXAMPLE = PROJECT / "examples/orders"
SHOP = PROJECT / "tests/sdk/declared"


def pages(folder: Path, protos: Path) -> dict[str, str]:
    shutil.copytree(protos, folder / "proto")
    shutil.copytree(PROJECT / "proto/cerebelum/options", folder / "proto/cerebelum/options", dirs_exist_ok=True)
    return generated(described(folder / "proto", folder / "image.binpb"), "pages")


def test_the_page_of_the_example_is_the_one_that_is_committed(tmp_path: Path) -> None:
    made = pages(tmp_path, EXAMPLE / "proto")
    assert made == {"shop/v1/OrderFulfilment.md": (EXAMPLE / "OrderFulfilment.md").read_text()}


def test_every_workflow_has_a_page_and_nothing_else_is_written(tmp_path: Path) -> None:
    made = pages(tmp_path, SHOP / "protos")
    assert sorted(made) == ["shop/v1/OrderFulfilment.md", "shop/v1/Refund.md", "shop/v1/Tidy.md"]
    assert "| ends with | `google.protobuf.Empty` |" in made["shop/v1/Tidy.md"]
    told = made["shop/v1/OrderFulfilment.md"]
    assert "| `payment_received` | The bank has the money. | `shop.v1.Payment` | 2d |" in told
    assert "| `hurry` | Somebody looks after it now. | nothing | as long as it takes |" in told


def test_a_page_follows_from_the_blueprint_that_a_core_is_given(tmp_path: Path) -> None:
    made = pages(tmp_path, SHOP / "protos")
    assert page(orders_workflows.ORDER_FULFILMENT.blueprint) == made["shop/v1/OrderFulfilment.md"]
    assert page(refunds_workflows.REFUND.blueprint) == made["shop/v1/Refund.md"]


def test_the_diagram_shows_where_rules_lead_and_return(tmp_path: Path) -> None:
    lines = pages(tmp_path, SHOP / "protos")["shop/v1/OrderFulfilment.md"].splitlines()
    assert '  step_validate -. "out_of_stock" .-> step_backorder' in lines
    assert "  step_backorder -.-> done" in lines
    condition = "validate.total_cents #gt; 100000 && inputs.kind == 'EXPRESS'"
    assert f'  step_validate -. "{condition}" .-> step_review' in lines
    assert "  step_review -.-> step_charge" in lines
    assert '  step_charge -. "CardDeclined" .-> failed' in lines


def test_what_proceeds_is_drawn_to_what_comes_next() -> None:
    rule = pb.DivergeRule(
        from_step="a",
        patterns=[
            pb.PatternMatch(pattern="_", route=pb.Route(action=pb.RouteAction.ROUTE_ACTION_PROCEED)),
        ],
    )
    definition = pb.WorkflowDefinition(timeline=[pb.Step(name="a"), pb.Step(name="b")], diverge_rules=[rule])
    told = page(pb.Blueprint(workflow_module="w", definition=definition))
    assert '  step_a -. "_" .-> step_b\n' in told
    assert "| `a` | it comes out as `_` | `proceed()` |" in told


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(0, ""), (500, "500ms"), (5_400_000, "1h30m"), (86_400_001, "1d1ms")]
)
def test_a_duration_is_spelt_as_in_the_contract(milliseconds: int, text: str) -> None:
    assert span(milliseconds) == text
