"""Each block of Python that a page shows passes `mypy --strict`, and runs where nothing but itself is needed."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from ast import literal_eval
from pathlib import Path

import pytest

from tests.codegen.generating import described, generated, run, write
from tests.docs.pages import AROUND, PAGES, PROJECT, blocks, whole

DOCS = PROJECT / "docs"
EXAMPLE = PROJECT / "examples/orders/proto/shop/v1/orders.proto"
CERTIFICATES = PROJECT / "tests/codegen/rpc/certificates"
EXCERPTS = {"DESIGN", "generated-code"}
"""Pages that show what stands in the code already."""
SHOWN = {page.stem for page in PAGES if blocks(page, "python")} - EXCERPTS - {"README"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every page as a module, beside what is generated from the contracts that they speak of."""
    folder = tmp_path_factory.mktemp("pages")
    shutil.copytree(PROJECT / "proto/cerebelum/options", folder / "proto/cerebelum/options")
    order = whole(DOCS / "services.md", AROUND / "order.proto", "proto")
    write({"shop/v1/orders.proto": EXAMPLE.read_text(), "shop/v1/order.proto": order}, folder / "proto")
    write(generated(described(folder / "proto", folder / "image.binpb")), folder)
    write({f"page_{name}.py": whole(DOCS / f"{name}.md", AROUND / f"{name}.py") for name in SHOWN}, folder)
    return folder


def outcome(page: str, folder: Path, monkeypatch: pytest.MonkeyPatch, at: Path | None = None) -> object:
    """What the `main` of a page gives, in a process that has imported no other package of the same name."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (at or folder, folder))))
    code = f"import asyncio, page_{page}; print(repr(asyncio.run(page_{page}.main())))"
    return literal_eval(run(sys.executable, "-c", code, cwd=at or folder).stdout)


@pytest.mark.xdist_group("mypy")  # all of them share its cache, in which there is one module of a name
def test_mypy_finds_nothing_in_strict_mode(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYPYPATH", os.pathsep.join([str(folder)]))
    (folder / "page_README.py").write_text(blocks(PROJECT / "README.md", "python")[0])
    done = run("mypy", "--config-file", "pyproject.toml", *map(str, folder.glob("page_*.py")), cwd=PROJECT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_services_are_called_and_stopped(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(CERTIFICATES, tmp_path, dirs_exist_ok=True)
    shutil.copy(CERTIFICATES / "server.pem", tmp_path / "ca.pem")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = (folder / "page_services.py").read_text()
    (tmp_path / "page_services.py").write_text(text.replace("50052", str(port)).replace("0.0.0.0", "127.0.0.1"))
    assert outcome("services", folder, monkeypatch, tmp_path) == "1"


def test_the_workflows_run_and_give_what_they_say(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcome("steps", folder, monkeypatch) == ("order 7 is there", "order 7 is there")


def test_the_tests_pass(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcome("testing", folder, monkeypatch) is None


def test_the_class_shown_is_an_excerpt_of_what_is_generated() -> None:
    (excerpt,) = blocks(DOCS / "generated-code.md", "python")
    made = iter((PROJECT / "generated/cerebelum_proto/worker/worker_service_pb.py").read_text().splitlines())
    assert [line for line in excerpt.splitlines() if line not in made] == []


def test_the_functions_of_the_engine_are_as_the_design_shows_them() -> None:
    (excerpt,) = blocks(PROJECT / "DESIGN.md", "python")
    for line in excerpt.splitlines():
        head = line.partition(": ...")[0]
        source = PROJECT / f"cerebelum_engine/{head[4 : head.index('(')]}.py"
        assert f"{head}:\n" in source.read_text().replace("ev.", "")
