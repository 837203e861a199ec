"""The wheel, installed on its own: an editable install would hide a file that is missing from it."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "cerebelum",
    "cerebelum_cli",
    "cerebelum_client",
    "cerebelum_codegen",
    "cerebelum_core",
    "cerebelum_engine",
    "cerebelum_proto",
}


@dataclass(frozen=True)
class Installed:
    wheel: Path
    bin: Path

    def run(self, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
        command = [str(self.bin / arguments[0]), *arguments[1:]]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)

    def python(self, code: str, folder: Path) -> str:
        ran = self.run("python", "-c", code, folder=folder)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel and what it requires without any extra, in an environment of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(folder), str(ROOT)], check=True)
    wheel = next(folder.glob("*.whl"))
    venv.create(folder / "env", with_pip=False)
    python = folder / "env/bin/python"
    constraints = str(ROOT / "constraints.txt")
    subprocess.run([*pip, "--python", str(python), "install", "-c", constraints, str(wheel)], check=True)
    return Installed(wheel, folder / "env/bin")


def test_it_holds_our_packages_typed_and_nothing_else(installed: Installed) -> None:
    names = zipfile.ZipFile(installed.wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == PACKAGES
    for package in PACKAGES:
        assert f"{package}/py.typed" in names, package
    for contract in ("options/v1/options", "worker/worker_service", "stream/v1/stream", "control/v1/control"):
        assert f"cerebelum_codegen/include/cerebelum/{contract}.proto" in names
    assert any(name.endswith("0001_initial.sql") for name in names)
    assert any(name.endswith("messages.j2") for name in names)


def test_a_service_that_imports_the_client_needs_no_server(installed: Installed, tmp_path: Path) -> None:
    listed = installed.python(
        "import importlib.metadata as m; print(sorted(d.name.lower() for d in m.distributions()))", tmp_path
    )
    for heavy in ("apsw", "protobuf", "jinja2", "click", "uvloop", "psycopg"):
        assert heavy not in listed
    code = (
        "import sys, cerebelum_client, cerebelum, cerebelum_proto.worker.worker_service_pb;"
        "print([m for m in sys.modules if m.startswith(('cerebelum_core', 'cerebelum_codegen.plugin'))])"
    )
    assert installed.python(code, tmp_path) == "[]"


def test_a_workflow_runs_locally_from_the_wheel(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import asyncio\n"
        "from cerebelum import WorkflowBuilder, step, workflow\n"
        "@step\n"
        "async def greet(inputs: str) -> str:\n"
        "    return f'hello, {inputs}'\n"
        "@workflow\n"
        "def hello(wf: WorkflowBuilder) -> None:\n"
        "    wf.timeline(greet)\n"
        "print(asyncio.run(hello.execute('Ada')).output)\n"
    )
    ran = installed.run("python", "mine.py", folder=tmp_path)
    assert (ran.stdout, ran.stderr) == ("hello, Ada\n", "")


def test_what_needs_an_extra_says_which_one(installed: Installed, tmp_path: Path) -> None:
    ran = installed.run("cerebelum", "core", folder=tmp_path)
    assert ran.returncode == 2
    assert ran.stderr == "error: the command line is not installed: pip install 'cerebelum[core]'\n"
    plugin = installed.run("protoc-gen-cerebelum", "--help", folder=tmp_path)
    assert plugin.returncode != 0
    assert "pip install 'cerebelum[codegen]'" in plugin.stderr
    assert "Traceback" not in plugin.stderr
    durable = (
        "import asyncio\n"
        "from cerebelum import CerebelumError, step, workflow\n"
        "@step\n"
        "async def one() -> int: return 1\n"
        "@workflow\n"
        "def w(wf): wf.timeline(one)\n"
        "try:\n"
        "    asyncio.run(w.execute(store='sqlite:///x.db'))\n"
        "except CerebelumError as error: print(error)"
    )
    assert "pip install 'cerebelum[core]'" in installed.python(durable, tmp_path)
