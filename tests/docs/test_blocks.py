"""Each block of Python that a page shows passes `mypy --strict`, and runs where nothing but itself is needed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

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
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Every page as a module, beside what is generated from the contracts that they speak of."""
    folder = tmp_path_factory.mktemp("pages")
    shutil.copytree(PROJECT / "proto/cerebelum/options", folder / "proto/cerebelum/options")
    order = whole(DOCS / "services.md", AROUND / "order.proto", "proto")
    write({"shop/v1/orders.proto": EXAMPLE.read_text(), "shop/v1/order.proto": order}, folder / "proto")
    write(generated(described(folder / "proto", folder / "image.binpb")), folder)
    write({f"page_{name}.py": whole(DOCS / f"{name}.md", AROUND / f"{name}.py") for name in SHOWN}, folder)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


def imported(folder: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"page_{name}", folder / f"page_{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_mypy_finds_nothing_in_strict_mode(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYPYPATH", os.pathsep.join([str(folder)]))
    (folder / "page_README.py").write_text(blocks(PROJECT / "README.md", "python")[0])
    done = run("mypy", "--config-file", "pyproject.toml", *map(str, folder.glob("page_*.py")), cwd=PROJECT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


async def test_the_services_are_called_and_stopped(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(CERTIFICATES, tmp_path, dirs_exist_ok=True)
    shutil.copy(CERTIFICATES / "server.pem", tmp_path / "ca.pem")
    monkeypatch.chdir(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = (folder / "page_services.py").read_text()
    (tmp_path / "page_services.py").write_text(text.replace("50052", str(port)).replace("0.0.0.0", "127.0.0.1"))
    assert await imported(tmp_path, "services").main() == "1"


async def test_the_workflows_run_and_give_what_they_say(folder: Path) -> None:
    assert await imported(folder, "steps").main() == ("order 7 is there", "order 7 is there")


async def test_the_tests_pass(folder: Path) -> None:
    await imported(folder, "testing").main()


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
