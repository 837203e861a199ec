"""What is generated passes the strict checks of mypy and pyright, without a word of excuse."""

from __future__ import annotations

import json
import sys
from importlib.metadata import files
from pathlib import Path

import pytest

from tests.codegen.generating import PROJECT, PROTOS, TEMPLATE, run, write
from tests.codegen.plugin.nasty import NASTY
from tests.conformance.libc import Unavailable
from tests.conformance.suite import PROTOS as CONFORMANCE
from tests.conformance.suite import package

pytestmark = pytest.mark.xdist_group("typing")


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The contract, Google's common protos, this suite's, nasty ones and the conformance suite's, generated."""
    folder = tmp_path_factory.mktemp("typed")
    for file in files("googleapis-common-protos") or []:
        if file.suffix == ".proto":
            write({f"proto/{file}": file.read_text()}, folder)
    for root in (PROTOS, PROJECT / "proto"):
        for path in root.rglob("*.proto"):
            write({f"proto/{path.relative_to(root)}": path.read_text()}, folder)
    write({f"proto/{name}": text for name, text in NASTY.items()}, folder)
    try:
        include = package() / "include"
        write(
            {f"proto/conformance/{name}": (include / "conformance" / name).read_text() for name in CONFORMANCE}, folder
        )
    except Unavailable as reason:
        sys.stderr.write(f"without the conformance suite's protos: {reason}\n")
    write({"buf.gen.yaml": TEMPLATE}, folder)
    run("buf", "generate", "proto", cwd=folder)
    return folder


def test_all_that_is_to_be_checked_is_there(everything: Path) -> None:
    made = {path.relative_to(everything / "generated").as_posix() for path in everything.rglob("*_pb.py")}
    assert {"google/api/http_pb.py", "trial/kinds_pb.py", "acme/names_pb.py", "bare_pb.py"} <= made
    assert sum(name.startswith("google/") for name in made) == 63


def test_mypy_finds_nothing_in_strict_mode(everything: Path) -> None:
    done = run(sys.executable, "-m", "mypy", "--strict", "generated", cwd=everything, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def test_pyright_finds_nothing_in_strict_mode(everything: Path) -> None:
    settings: dict[str, object] = {
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
        "extraPaths": ["generated"],
        "include": ["generated"],
    }
    # A field keeps the name that its proto gives it, and pyright takes one in capitals (`URL`) for a constant.
    settings["reportConstantRedefinition"] = False
    write({"pyrightconfig.json": json.dumps(settings)}, everything)
    done = run("basedpyright", "--outputjson", "--pythonpath", sys.executable, cwd=everything, check=False)
    found = json.loads(done.stdout)
    assert found["summary"]["filesAnalyzed"] > 80
    said = [
        f"{each['file']}:{each['range']['start']['line']}: {each['message']}" for each in found["generalDiagnostics"]
    ]
    assert said == []


def test_no_generated_line_asks_a_checker_to_look_away(everything: Path) -> None:
    for path in everything.rglob("*.py"):
        text = path.read_text()
        assert "type: ignore" not in text, path
        assert "pyright: " not in text, path
        # Fine for basedpyright; pyright itself, since 1.1.399, takes it for a list of unknown types.
        assert "default_factory=list" not in text, path
