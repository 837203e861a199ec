"""The fuzzer runs; `make fuzz` lets it run for long."""

from __future__ import annotations

import json
import sys

from tests.codegen.generating import PROJECT, run


def test_a_few_thousand_spoiled_inputs_are_messages_or_decode_errors() -> None:
    done = run(sys.executable, "-m", "tests.codegen.fuzz", "4000", "3", cwd=PROJECT)
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["bytes read"] > 0
    assert figures["bytes refused"] > 0
    assert figures["JSON read"] > 0
    assert figures["JSON refused"] > 0
