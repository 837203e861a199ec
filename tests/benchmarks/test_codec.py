"""The benchmark runs as documented: figures on standard output, one JSON line each."""

from __future__ import annotations

import json
import sys

from tests.codegen.generating import PROJECT, run


def test_it_prints_its_settings_then_a_figure_for_each_operation() -> None:
    asked = ("codec", "--only", "cerebelum", "--rounds", "1", "--round-ms", "1")
    first, *lines = run(sys.executable, "-m", "benchmarks", *asked, cwd=PROJECT).stdout.splitlines()
    settings, figures = json.loads(first)["settings"], [json.loads(line) for line in lines]
    assert settings["case"] == "codec"
    assert settings["rounds"] == 1
    for figure in figures:
        assert list(figure) == ["case", "peer", "message", "size", "op", "us"]
        assert figure["us"] > 0
    measured = {(figure["message"], figure["size"], figure["op"]) for figure in figures}
    assert {
        ("Task", "small", "encode_dict"),
        ("TaskResult", "large", "decode_dict"),
        ("Flat", "flat", "decode_read"),
    } <= measured
