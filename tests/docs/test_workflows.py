"""The contract in docs/workflows.md is one that the plugin takes, with the messages of the example."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.codegen.generating import PROJECT, described, generated
from tests.docs.pages import blocks

GUIDE = PROJECT / "docs/workflows.md"
EXAMPLE = PROJECT / "examples/orders/proto/shop/v1/orders.proto"


def test_the_workflow_of_the_guide_is_sound(tmp_path: Path) -> None:
    service, signal = blocks(GUIDE, "proto")
    service = f"{service[service.index('service') :].rstrip().removesuffix('}')}{signal}}}\nmessage Payment {{}}\n"
    example = re.sub(r"service OrderFulfilment \{.*?\n\}\n", lambda _: service, EXAMPLE.read_text(), flags=re.DOTALL)
    shutil.copytree(PROJECT / "proto/cerebelum/options", tmp_path / "proto/cerebelum/options")
    (tmp_path / "proto/shop.proto").write_text(example)
    assert "shop_workflows.py" in generated(described(tmp_path / "proto", tmp_path / "image.binpb"))
